"""A worker and the gateway share an account: callers are served while the catalogue is synced."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.canaries import PLANTED
from tests.faults.gateway.figures import quantile, tell
from tests.fix_drill import Drill
from tests.fix_system import COLLECTION, System, most_in_a_second, pictures
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.load import Load
from tests.integration.gateway.servers import Gateway, wait_for

LIMIT = 10
OF_THE_WORKERS = 6
A_SECOND = 2
DEADLINE = 5.0
FLOOD_SECONDS = 20


@pytest.fixture
def both(drill: Drill, start_gateway: StartGateway) -> Gateway:
    """A worker that takes its part of the limit, and a gateway; the emulator holds both to the whole of it."""
    system = drill.system
    system.worker(XIMILAR_RATE_LIMIT=str(OF_THE_WORKERS))
    return start_gateway(
        XIMILAR_API_URL=system.emulator.url,
        XIMILAR_API_TOKEN=PLANTED["token"],
        XIMILAR_COLLECTION_ID=COLLECTION,
        XIMILAR_ALLOW_PRIVATE_URLS="on",
        GATEWAY_CACHE_SECONDS="0",
        GATEWAY_DEADLINE_SECONDS=str(DEADLINE),
    )


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_callers_at_a_pace(drill: Drill, both: Gateway) -> None:
    """Two a second: together with the worker they stay within the limit, and nobody waits for the other."""
    with asking(both, drill.system) as answers:
        drill.begin(150, sent=1)
        drill.system.wait_for_states(120, synced=150)
    seconds = [answer.elapsed.total_seconds() for answer in answers]
    drill.figures.update({"callers": len(answers), "callers' p95 seconds": round(quantile(seconds, 0.95), 3)})
    drill.judge(rate=LIMIT)
    assert Counter(answer.status_code for answer in answers) == {200: len(answers)}
    assert len(answers) > 40
    assert quantile(seconds, 0.95) < 1.0


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_flood_of_callers(drill: Drill, both: Gateway) -> None:
    """As many as the gateway takes: each is answered in time, the worker is refused, and it loses nothing."""
    system = drill.system
    drill.begin(100, sent=5)
    photo = f"{system.photos_url}/{pictures()[0]}?asked-{{}}"
    with Load(both.url, clients=16, photo=photo) as load:
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > FLOOD_SECONDS, FLOOD_SECONDS + 1)
    drill.healed()
    tell("a flood of callers", load)
    drill.wait_for_recovery(90)
    drill.figures["accepted at most in a second"] = most_accepted(system)
    drill.judge(seconds=150, rate=10_000)
    assert most_accepted(system) <= LIMIT
    assert load.done > FLOOD_SECONDS
    assert load.lost.keys() <= {"503"}
    assert load.causes.keys() <= {"rate_limited"}
    assert max(load.seconds) <= DEADLINE + 0.5


def most_accepted(system: System) -> int:
    """The most calls of both programs in any second that the emulator did not refuse."""
    accepted = [call["arrived_monotonic"] for call in system.emulator.calls() if call["status"] != 429]
    return most_in_a_second(sorted(accepted))


@contextmanager
def asking(gateway: Gateway, system: System) -> Iterator[list[requests.Response]]:
    """Ask A_SECOND questions a second, each for itself; yields the answers."""
    answers: list[requests.Response] = []
    over = threading.Event()

    def ask(number: int) -> None:
        photo = f"{system.photos_url}/{pictures()[0]}?asked-{number}"
        answers.append(gateway.post("/detect", {"url": photo}))

    def ask_all_the_time() -> None:
        threads: list[threading.Thread] = []
        while not over.wait(1 / A_SECOND):
            threads.append(threading.Thread(target=ask, args=[len(threads)]))
            threads[-1].start()
        for thread in threads:
            thread.join()

    asker = threading.Thread(target=ask_all_the_time)
    asker.start()
    try:
        yield answers
    finally:
        over.set()
        asker.join()
