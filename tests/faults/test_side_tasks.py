"""The database breaks off at each thing that a worker says to it: no single fault may end, idle or cheat it.

procrastinate's own worker ends when one of its side tasks or a fetch fails, and leaves a job in `doing` for ever
when its acknowledgement does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.fix_drill import Drill
from tests.fix_proxy import FaultProxy
from tests.fix_system import wait_until

PRODUCTS = 20
BOUND_SECONDS = 90

AT_THE_START = {
    "schema": b"to_regclass",
    "register": b"INSERT INTO workers",
    "neighbours": b"FROM workers WHERE host",
    "prune": b"procrastinate_prune_stalled_workers_v1",
    "register in the queue": b"procrastinate_register_worker_v1",
    "tick": b"procrastinate_defer_periodic_job_v2",
    "listen": b"LISTEN",
}
AT_WORK = {
    "heartbeat": b"UPDATE workers",
    "heartbeat of the queue": b"procrastinate_update_heartbeat_v1",
    "abort requests": b"abort_requested",
    "load": b"FROM public.raw_products",
    "slot": b"take_slot_v1",
    "ledger": b"INSERT INTO photos",
    "success": b"note_success_v1",
    "verdict": b"record_outcome_v1",
    "end of a run": b"INSERT INTO public.scraper_logs",
}
OF_THE_QUEUE = {"fetch": b"procrastinate_fetch_job_v2", "finish": b"procrastinate_finish_job_v1"}


def words(listed: dict[str, bytes]) -> pytest.MarkDecorator:
    """Each of these words, unheard by the server and heard but never answered."""
    both = [
        pytest.param(word, heard, id=f"{name}, {'heard' if heard else 'unheard'}")
        for name, word in listed.items()
        for heard in (False, True)
    ]
    return pytest.mark.parametrize(("word", "heard"), both)


@words(OF_THE_QUEUE)
def test_the_queue_breaks_off(
    drill: Drill, start_proxy: Callable[[str], FaultProxy], word: bytes, *, heard: bool
) -> None:
    breaks_off(drill, start_proxy(drill.system.database.url), word, heard=heard)


@pytest.mark.drill
@words({**AT_THE_START, **AT_WORK})
@pytest.mark.timeout(240)
def test_anything_breaks_off(
    drill: Drill, start_proxy: Callable[[str], FaultProxy], word: bytes, *, heard: bool
) -> None:
    breaks_off(drill, start_proxy(drill.system.database.url), word, heard=heard)


def breaks_off(drill: Drill, proxy: FaultProxy, word: bytes, *, heard: bool) -> None:
    """Run a worker whose connection is reset three times at a word; it has to do its work all the same."""
    system = drill.system
    system.add_products(PRODUCTS, photos=1)
    if word == AT_WORK["abort requests"]:  # asked for every five seconds, while a job runs
        system.emulator.play({"kind": "delay", "seconds": 18}, sku_id="SKU-0003")
    system.defer("ximilar_sync")
    proxy.cut_at(word, heard=heard, times=1 if word == AT_WORK["end of a run"] else 3)
    begun = time.monotonic()
    worker = system.worker(STAGING_DB_URL=proxy.address(system.database.url))
    wait_until(lambda: proxy.caught, BOUND_SECONDS, system.tails)
    system.wait_for_states(BOUND_SECONDS, synced=PRODUCTS)
    system.wait_for_logs(1, BOUND_SECONDS)
    drill.figures["seconds"] = round(time.monotonic() - begun, 1)
    drill.figures["falls"] = len(worker.events("worker_fell"))
    assert worker.process.poll() is None
    drill.judge(again=0)
    assert worker.end() == 0
