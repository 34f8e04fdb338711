"""The worker is killed, frozen or asked to stop at moments of all kinds: what it held is done by the next one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.test_side_tasks import AT_WORK, OF_THE_QUEUE, words
from tests.fix_drill import Drill
from tests.fix_proxy import FaultProxy
from tests.fix_system import BOTH_PROFILES, wait_until

IN_FLIGHT = 8
GRACE_SECONDS = 75
STEPS = {
    **OF_THE_QUEUE,
    **{step: AT_WORK[step] for step in ("load", "slot", "ledger", "success", "verdict")},
}

# In profile `fashion`: an id is noted, the record is in the ledger, the row is done.
OF_KEYED_RECORDS = {
    "note": b"INSERT INTO strays",
    "ledger": b"INSERT INTO photos",
    "verdict": AT_WORK["verdict"],
}


@pytest.mark.drill
@words(STEPS)
def test_kill_at_a_step(
    drill: Drill, start_proxy: Callable[[str], FaultProxy], word: bytes, *, heard: bool
) -> None:
    """At the third time it says a word; the next worker finds its jobs to be nobody's at once: same machine."""
    kill_at(drill, start_proxy(drill.system.database.url), word, heard=heard)


@pytest.mark.drill
@pytest.mark.parametrize("profile", ["fashion"])
@words(OF_KEYED_RECORDS)
def test_kill_at_a_step_of_keyed_records(
    drill: Drill, start_proxy: Callable[[str], FaultProxy], word: bytes, *, heard: bool
) -> None:
    """The same where each record has an id of ours, written down before it is sent."""
    kill_at(drill, start_proxy(drill.system.database.url), word, heard=heard)


def kill_at(drill: Drill, proxy: FaultProxy, word: bytes, *, heard: bool) -> None:
    """Kill a worker while it says a word for the third time, and let another one take over."""
    system = drill.system
    system.add_products(12, photos=1)
    system.defer("ximilar_sync")
    killed = system.worker(STAGING_DB_URL=proxy.address(system.database.url))
    proxy.hold_at(word, heard=heard)
    wait_until(lambda: proxy.caught, 60, system.tails)
    killed.end(signal.SIGKILL)
    proxy.close()
    drill.healed()
    system.worker()
    drill.judge(again=IN_FLIGHT)


@BOTH_PROFILES
def test_kill_mid_upload(drill: Drill) -> None:
    """While Ximilar holds its answers: it has stored what nobody has written down."""
    system = drill.system
    system.emulator.play({"kind": "delay", "seconds": 5, "apply": True}, times=4)
    worker = system.worker()
    drill.begin(15, sent=4)
    worker.end(signal.SIGKILL)
    drill.healed()
    system.worker()
    drill.wait_for_recovery(60)
    drill.judge(again=IN_FLIGHT)


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_at_random_moments(drill: Drill, seed: int) -> None:
    """Four times in a row; a product that sees it happen is not blamed for it."""
    system, dice, kills = drill.system, random.Random(seed), 4
    worker = system.worker()
    drill.begin(40, sent=1)
    for _ in range(kills):
        stored = len(system.emulator.photos())
        drill.wait_for_photos(min(stored + dice.randint(1, 6), 40))
        worker.end(signal.SIGKILL)
        worker = system.worker()
    drill.figures["kills"] = kills
    drill.judge(again=kills * IN_FLIGHT, seconds=200)


def test_stop_while_busy(drill: Drill) -> None:
    """One SIGTERM while answers are on their way: finished or put back, exit 0, and nothing sent again."""
    system = drill.system
    system.emulator.settings(delay=1.0)
    worker = system.worker()
    drill.begin(30, sent=3)
    begun = time.monotonic()
    assert worker.end() == 0
    drill.figures["stopped in seconds"] = round(time.monotonic() - begun, 1)
    expect_nothing_aborted(drill)
    system.emulator.settings(delay=0.1)
    system.worker()
    drill.judge(again=0)


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_stop_at_random_moments(drill: Drill, seed: int) -> None:
    system, dice, stops, longest = drill.system, random.Random(seed), 4, 0.0
    system.add_products(40, photos=1)
    system.defer("ximilar_sync")
    for _ in range(stops):
        worker = system.worker()
        moment = time.monotonic() + dice.uniform(0.0, 2.0)
        wait_until(lambda moment=moment: time.monotonic() >= moment, 5)  # type: ignore[misc]
        begun = time.monotonic()
        assert worker.end(seconds=GRACE_SECONDS) == 0
        longest = max(longest, time.monotonic() - begun)
        expect_nothing_aborted(drill)
    drill.figures |= {"stops": stops, "longest stop in seconds": round(longest, 1)}
    system.worker()
    drill.judge(again=0, seconds=200)


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_stop_without_a_database(drill: Drill, start_proxy: Callable[[str], FaultProxy]) -> None:
    """Nothing can be put back: it ends in time all the same, not with 0, and the next worker takes over."""
    system, proxy = drill.system, start_proxy(drill.system.database.url)
    worker = system.worker(STAGING_DB_URL=proxy.address(system.database.url))
    drill.begin(60, sent=5)
    proxy.black_hole()
    begun = time.monotonic()
    code = worker.end(seconds=GRACE_SECONDS)
    drill.figures |= {"stopped in seconds": round(time.monotonic() - begun, 1), "exit code": code}
    system.worker()
    drill.healed()
    drill.wait_for_recovery(60)
    drill.judge(again=IN_FLIGHT, seconds=200)
    assert drill.figures["exit code"] == 69


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_freeze_and_thaw(drill: Drill) -> None:
    """A worker stopped for longer than its heart may pause is taken over; what it says late is refused."""
    system = drill.system
    frozen = system.worker()
    drill.begin(40, photos=2, sent=10)
    os.kill(frozen.process.pid, signal.SIGSTOP)
    drill.healed()
    system.worker()
    system.wait_for_states(150, synced=40)
    os.kill(frozen.process.pid, signal.SIGCONT)
    assert frozen.end() == 0
    drill.judge(again=IN_FLIGHT)
    ((fetched, new),) = system.query("SELECT records_fetched, records_new FROM scraper_logs")
    assert (fetched, new) == (40, 40)


def expect_nothing_aborted(drill: Drill) -> None:
    """A stop leaves no job aborted, failed, or held by nobody."""
    query = """
        SELECT count(*) FROM ximilar.procrastinate_jobs
         WHERE status IN ('aborted', 'failed', 'doing')
    """
    assert drill.system.query(query) == [(0,)], drill.system.tails()
