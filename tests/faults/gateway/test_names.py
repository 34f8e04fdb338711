"""The name of Ximilar is not found, found late, or found wrongly, while callers ask the gateway."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.gateway.figures import quantile, tell
from tests.faults.gateway.watching import seconds_until_served, watched
from tests.fix_hosts import Network
from tests.fix_names import FAULTS, NameServer
from tests.fix_proxy import FaultProxy
from tests.integration.gateway.load import Load
from tests.integration.gateway.servers import Gateway, ScriptedUpstream, wait_for

NAME = "api.ximilar.test"
CLIENTS = 16
DEADLINE = 2.0
BREAKER = 1.0
# A resolver repeats its question after five seconds, and a wrong address may be remembered for ten.
RECOVERY = 10.0 + 2 * BREAKER
CUT_SECONDS = 0.2
PATIENT = 30.0
PROMPT = 0.5
PHOTO = {"url": "https://cdn.example.com/1.jpg"}
TOLD = ("not_sent", "timed_out", "breaker_open")


@dataclass(frozen=True, slots=True)
class Remote:
    """A gateway on a host of its own, and its way to Ximilar."""

    gateway: Gateway
    way: FaultProxy


@pytest.fixture
def start_remote(
    tmp_path: Path, network: Network, names: NameServer, upstream: ScriptedUpstream
) -> Iterator[Callable[[float], Remote]]:
    """Starts a gateway that knows Ximilar by its name only, with a deadline in seconds."""
    host, way = network.host(), network.proxy(upstream.url)
    host.ask_names_of(names.address)
    started: list[Gateway] = []

    def start(deadline: float) -> Remote:
        variables = {
            "HOST": host.address,
            "XIMILAR_API_URL": way.address(upstream.url).replace(way.host, NAME),
            "GATEWAY_CACHE_SECONDS": "0",
            "GATEWAY_DEADLINE_SECONDS": str(deadline),
            "GATEWAY_BREAKER_SECONDS": str(BREAKER),
        }
        started.append(Gateway(tmp_path, variables, prefix=host.command()))
        return Remote(started[-1].start(), way)

    yield start
    for gateway in started:
        gateway.stop()


@pytest.mark.drill
@pytest.mark.parametrize("fault", FAULTS)
def test_no_name(start_remote: Callable[[float], Remote], names: NameServer, fault: str) -> None:
    """Its connections end again and again, until it has to ask for the name and callers are told."""
    remote = start_remote(DEADLINE)
    gateway = remote.gateway
    with Load(gateway.url, clients=CLIENTS) as load, watched(gateway) as pages:
        wait_for(lambda: load.done > 50)
        names.manner, asked = FAULTS[fault], names.asked
        with cut_again_and_again(remote.way):
            wait_for(lambda: names.asked > asked and sum(load.causes[cause] for cause in TOLD) > 50, 40)
        names.heal()
        recovered = seconds_until_served(load)
    tell(f"names {fault}, served again after {recovered:.2f} s", load)
    print(f"/livez meanwhile: {len(pages)} times, p99 {quantile(pages, 0.99):.3f} s")
    # The resolver may take longer than the caller has.
    patient = {"timed_out"} if FAULTS[fault].delay != 0 else set()
    assert load.causes.keys() <= {*TOLD, "no_answer"} - {"timed_out"} | patient
    assert max(load.seconds) <= DEADLINE + 0.5
    assert quantile(pages, 0.99) < PROMPT
    assert recovered <= RECOVERY


@pytest.mark.drill
def test_started_without_names(start_remote: Callable[[float], Remote], names: NameServer) -> None:
    """Who has the patience is told that there is no connection; when names are back all is well."""
    names.manner = FAULTS["silent"]
    gateway = start_remote(PATIENT).gateway
    with watched(gateway) as pages:
        answer = gateway.post("/detect", PHOTO)
    took = answer.elapsed.total_seconds()
    print(f"no answer of a resolver: 503 after {took:.1f} s, /livez p99 {quantile(pages, 0.99):.3f} s")
    assert names.asked > 0, "the fault has no effect"
    assert (answer.status_code, answer.json()["code"]) == (503, "not_sent")
    assert int(answer.headers["Retry-After"]) >= 1
    assert took < PATIENT
    assert quantile(pages, 0.99) < PROMPT
    names.heal()
    assert gateway.post("/detect", PHOTO).status_code == 200


@contextlib.contextmanager
def cut_again_and_again(way: FaultProxy) -> Iterator[None]:
    """End all connections from time to time, so that new ones have to be made."""
    over = threading.Event()

    def cut() -> None:
        while not over.wait(CUT_SECONDS):
            way.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
