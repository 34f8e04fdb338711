"""Somebody sets the gateway's clock while it serves: what it measures are seconds, not times of day."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests import canaries
from tests.faketime import Clock
from tests.faults.gateway.figures import tell
from tests.faults.gateway.watching import seconds_until_served
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.load import Load, serve_more
from tests.integration.gateway.servers import Gateway, ScriptedUpstream, wait_for

CLIENTS = 8
DEADLINE = 2.0
BREAKER = 2.0
BREAKER_MOST = 1.2 * BREAKER
SILENCE = 3600.0
PUBLIC = "http://gateway.example.com"
STEPS = {"-10m": -600.0, "+10m": 600.0, "+2h": 7200.0, "+0": 0.0}


@pytest.fixture
def profile() -> str:
    """The one where the gateway signs crops."""
    return "fashion"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def clocked(start_gateway: StartGateway, clock: Clock) -> Gateway:
    """A gateway that keeps answers for five minutes and signs crops for an hour."""
    return start_gateway(
        GATEWAY_CACHE_SECONDS="300",
        GATEWAY_DEADLINE_SECONDS=str(DEADLINE),
        GATEWAY_BREAKER_SECONDS=str(BREAKER),
        GATEWAY_PUBLIC_URL=PUBLIC,
        GATEWAY_CROP_KEY=canaries.PLANTED["crop-key"],
        GATEWAY_CROP_SECONDS="3600",
        **clock.variables,
    )


@pytest.mark.drill
def test_steps_under_load(clocked: Gateway, clock: Clock) -> None:
    processes = clocked.workers
    with Load(clocked.url, clients=CLIENTS) as load:
        for by in STEPS:
            serve_more(load, 100)
            step(clocked, clock, by)
        serve_more(load, 100)
    tell(f"clock set {len(STEPS)} times", load)
    assert load.lost == {}
    assert max(load.seconds) < DEADLINE
    assert clocked.workers == processes
    assert min(line["seconds"] for line in clocked.lines("request")) >= 0


@pytest.mark.drill
@pytest.mark.parametrize("by", ["-10m", "+10m"])
def test_deadlines_and_breaker(clocked: Gateway, clock: Clock, upstream: ScriptedUpstream, by: str) -> None:
    """Ximilar falls silent, and the clock is set while callers wait, and again while the breaker is open."""
    with Load(clocked.url, clients=CLIENTS) as load:
        wait_for(lambda: load.done > 50)
        upstream.delay = SILENCE
        step(clocked, clock, by)
        wait_for(lambda: load.causes["breaker_open"] > 20, 20)
        step(clocked, clock, "+0")
        refusals: list[requests.Response] = []
        wait_for(lambda: refused(clocked, refusals))
        upstream.delay = 0.0
        recovered = seconds_until_served(load)
    tell(f"clock set by {by} in silence, served again after {recovered:.2f} s", load)
    assert load.causes.keys() <= {"timed_out", "breaker_open"}
    assert max(load.seconds) <= DEADLINE + 0.5
    assert 1 <= int(refusals[-1].headers["Retry-After"]) <= BREAKER_MOST + 1
    assert recovered <= DEADLINE + 2 * BREAKER_MOST + 1


@pytest.mark.drill
@pytest.mark.parametrize("by", ["-10m", "+10m"])
def test_what_is_kept(clocked: Gateway, clock: Clock, upstream: ScriptedUpstream, by: str) -> None:
    """Answers are kept for seconds. A crop's address expires by the time of day, which all hosts share."""
    first = clocked.post("/detect", {"url": upstream.photo})
    crop = first.json()["items"][0]["crop_url"].removeprefix(PUBLIC)
    step(clocked, clock, by)
    again = clocked.post("/detect", {"url": upstream.photo})
    assert (again.headers["X-Cache"], len(upstream.calls)) == ("HIT", 1)
    for address in (crop, again.json()["items"][0]["crop_url"].removeprefix(PUBLIC)):
        answer = clocked.get(address)
        assert answer.status_code == 200
        assert int(re.findall(r"max-age=(\d+)", answer.headers["Cache-Control"])[0]) > 3600 - 660
    step(clocked, clock, "+2h")
    assert clocked.get(crop).status_code == 410
    step(clocked, clock, "+0")
    assert clocked.get(crop).status_code == 200


def refused(gateway: Gateway, refusals: list[requests.Response]) -> bool:
    """Ask once more; true if that was turned away. The one question that tries whether Ximilar is back is not."""
    refusals.append(gateway.post("/detect", {"url": f"https://cdn.example.com/refused-{len(refusals)}.jpg"}))
    return refusals[-1].status_code == 503


def step(gateway: Gateway, clock: Clock, by: str) -> None:
    """Set its clock and wait until it has seen that."""
    clock.step(by)
    wait_for(lambda: abs(wrong_by(gateway) - STEPS[by]) < 5)


def wrong_by(gateway: Gateway) -> float:
    """By how many seconds its clock is wrong, as its log tells."""
    gateway.get("/nowhere")
    wait_for(lambda: gateway.lines("request"))
    said = datetime.fromisoformat(gateway.lines("request")[-1]["timestamp"])
    return (said - datetime.now(UTC)).total_seconds()
