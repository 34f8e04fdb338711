"""A worker's row: there from start to end, beating, with the number that procrastinate gave it."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from procrastinate_app import deadlines, presence
from procrastinate_app.database import Database as Sessions
from procrastinate_app.database import open_database
from procrastinate_app.jobs import PatientJobManager
from tests.fix_catalogue import Catalogue
from tests.fix_upstream import Held, Upstream, code
from tests.fix_worker import Worker, eventually


def test_a_worker_is_listed_while_it_works(catalogue: Catalogue, worker_anywhere: Worker) -> None:
    numbered = "SELECT * FROM workers w JOIN procrastinate_workers q ON q.id = w.queue_worker"

    async def run() -> None:
        async with worker_anywhere.working() as task:
            await eventually(lambda: catalogue.all(numbered), unless=task)
            row = catalogue.one(numbered)
            assert (row["pid"], row["concurrency"]) == (os.getpid(), 8)

    asyncio.run(run())
    assert catalogue.all("SELECT FROM workers") == []
    assert catalogue.all("SELECT FROM procrastinate_workers") == []


def test_it_beats_also_while_it_drains(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """procrastinate stops its own heartbeat as soon as it is asked to stop."""
    monkeypatch.setattr(deadlines, "BEAT", 0.05)
    product = catalogue.add()
    held = Held(code(200))
    upstream.once(product.urls[0], held)
    catalogue.queue(product.id)
    beats = "SELECT max(last_heartbeat) AS theirs, max(beat_at) AS ours FROM procrastinate_workers, workers"

    async def run() -> None:
        async with worker.working() as task:
            await eventually(held.arrived.is_set, unless=task)
            task.cancel()
            await asyncio.sleep(0)
            before = catalogue.one(beats)
            await eventually(
                lambda: all(
                    now > then
                    for now, then in zip(catalogue.one(beats).values(), before.values(), strict=True)
                )
            )
            held.release.set()

    asyncio.run(run())
    assert catalogue.state(product.id) == "synced"
    assert catalogue.statuses() == ["succeeded"]


def test_it_writes_down_when_its_ticks_are(catalogue: Catalogue, worker: Worker) -> None:
    planned = "SELECT cron FROM v_schedule WHERE task = 'reconcile'"
    assert catalogue.value(planned) is None
    for given, cron in (("15 */6 * * *", "15 */6 * * *"), ("", "0 2 * * *")):
        worker.variables["RECONCILE_CRON"] = given
        worker.until(lambda cron=cron: catalogue.value(planned) == cron)  # type: ignore[misc]


def test_a_gap_begins_a_new_series_of_beats(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "BEAT", 0.05)

    async def run() -> None:
        async with (
            open_database(worker.url, max_size=2) as database,
            presence.registered(database, manager(database), 8, False) as worker_id,
        ):
            catalogue.owner.execute(
                "UPDATE workers SET beating_since = now() - interval '1 h', beat_at = now() - interval '1 min'"
            )
            since = "SELECT beating_since > now() - interval '10 s' FROM workers"
            await eventually(lambda: catalogue.value(since))
            steady = await database.value("steady_since", id=worker_id)
            assert steady < 10

    asyncio.run(run())


def test_the_next_life_of_a_process_clears_up_after_one_that_lost_its_database(
    catalogue: Catalogue, worker_anywhere: Worker
) -> None:
    """Else its row stays, since its process lives, and looks like a worker that hangs."""
    product = catalogue.add()

    async def lose_the_database() -> None:
        async with contextlib.AsyncExitStack() as life:
            async with open_database(worker_anywhere.url, max_size=2) as database:
                await life.enter_async_context(presence.registered(database, manager(database), 8, False))
                number = "INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"
                catalogue.owner.execute("UPDATE workers SET queue_worker = %s", [catalogue.value(number)])
            catalogue.start(catalogue.queue(product.id), catalogue.value("SELECT queue_worker FROM workers"))

    asyncio.run(lose_the_database())
    (former,) = catalogue.all("SELECT id FROM workers")
    worker_anywhere.until(lambda: catalogue.state(product.id) == "synced")
    assert catalogue.outcomes(product.id) == ["rescued", "synced"]
    assert catalogue.all("SELECT FROM workers WHERE id = %s", [former["id"]]) == []


def manager(_database: Sessions) -> PatientJobManager:
    """A job manager that has not begun to fetch."""
    return PatientJobManager(None)  # type: ignore[arg-type]
