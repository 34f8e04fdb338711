"""Which jobs a worker takes while the account is paused."""

from __future__ import annotations

import asyncio

import pytest
from procrastinate.jobs import Job

from procrastinate_app.app import SyncApp
from tests.fix_catalogue import Catalogue
from tests.fix_upstream import Held, Upstream, code
from tests.fix_worker import Worker, eventually


def fetch(worker: Worker, times: int = 1, queues: list[str] | None = None) -> list[Job | None]:
    """What a worker gets who asks so often."""

    async def run() -> list[Job | None]:
        app = SyncApp(worker.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            return [await app.job_manager.fetch_job(queues, queue_worker) for _ in range(times)]

    return asyncio.run(run())


def queue_control_job(catalogue: Catalogue) -> None:
    catalogue.owner.execute(
        """
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority)
        VALUES ('control', 'ximilar_sync', 100)
        """
    )


def pause(catalogue: Catalogue, *, over: bool = False, probing: bool = False) -> None:
    catalogue.owner.execute(
        """
        UPDATE throttle SET pause_cause = 'rate_limited',
               paused_until = clock_timestamp() + CASE WHEN %s THEN interval '0' ELSE interval '1 min' END,
               probing_until = CASE WHEN %s THEN clock_timestamp() + interval '45 s' ELSE '-infinity' END
        """,
        [over, probing],
    )


def names(jobs: list[Job | None]) -> list[str | None]:
    return [None if job is None else job.task_name for job in jobs]


@pytest.mark.parametrize("queues", [None, ["control", "products"]])
def test_during_a_pause_control_jobs_only(
    catalogue: Catalogue, worker_anywhere: Worker, queues: list[str] | None
) -> None:
    pause(catalogue)
    catalogue.queue(catalogue.add().id)
    queue_control_job(catalogue)
    assert names(fetch(worker_anywhere, 2, queues)) == ["ximilar_sync", None]


def test_after_a_pause_products_until_one_of_them_calls(
    catalogue: Catalogue, worker_anywhere: Worker
) -> None:
    """A job that makes no call ends no pause: one at a time they would keep everybody waiting."""
    pause(catalogue, over=True)
    for _ in range(4):
        catalogue.queue(catalogue.add().id)
    assert names(fetch(worker_anywhere, 3)) == ["sync_product"] * 3
    assert catalogue.value("SELECT probe FROM take_slot_v1(0.1, 0.1, 5)")
    assert fetch(worker_anywhere) == [None]


def test_after_a_pause_one_call_however_many_products_were_taken(
    catalogue: Catalogue, worker_anywhere: Worker, upstream: Upstream
) -> None:
    pause(catalogue, over=True)
    held = Held(code(200))
    upstream.always("*", held)
    for product in [catalogue.add() for _ in range(20)]:
        catalogue.queue(product.id)

    async def run() -> None:
        async with worker_anywhere.working() as task, worker_anywhere.working():
            await eventually(held.arrived.is_set, unless=task)
            await eventually(lambda: catalogue.statuses().count("doing") == 1, unless=task)
            assert len(upstream.requests) == 1
            held.release.set()
            await eventually(lambda: set(catalogue.statuses()) == {"succeeded"}, unless=task)

    asyncio.run(run())
    assert len(upstream.requests) == 20
    assert {attempt["outcome"] for attempt in catalogue.all("SELECT outcome FROM attempts")} == {"synced"}


def test_after_a_pause_products_that_are_gone_keep_nobody_waiting(
    catalogue: Catalogue, worker: Worker
) -> None:
    pause(catalogue, over=True)
    products = [catalogue.add().id for _ in range(120)]
    for product in products:
        catalogue.queue(product)
    catalogue.owner.execute("DELETE FROM raw_products WHERE id <> %s", [products[-1]])
    worker.until(lambda: catalogue.state(products[-1]) == "synced")


def test_while_a_probe_is_out_no_product(catalogue: Catalogue, worker: Worker) -> None:
    pause(catalogue, over=True, probing=True)
    catalogue.queue(catalogue.add().id)
    assert fetch(worker) == [None]


def test_without_a_pause_by_priority_then_by_age(catalogue: Catalogue, worker: Worker) -> None:
    first, second = (catalogue.queue(catalogue.add().id) for _ in range(2))
    queue_control_job(catalogue)
    jobs = fetch(worker, 4)
    assert names(jobs) == ["ximilar_sync", "sync_product", "sync_product", None]
    assert [job and job.id for job in jobs[1:3]] == [first, second]


def test_a_worker_of_the_control_queue_takes_no_product(catalogue: Catalogue, worker: Worker) -> None:
    catalogue.queue(catalogue.add().id)
    queue_control_job(catalogue)
    assert names(fetch(worker, 2, ["control"])) == ["ximilar_sync", None]


def test_many_workers_at_once_take_each_job_once(catalogue: Catalogue, worker_anywhere: Worker) -> None:
    for _ in range(30):
        catalogue.queue(catalogue.add().id)

    async def run() -> list[Job | None]:
        app = SyncApp(worker_anywhere.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            return await asyncio.gather(*(app.job_manager.fetch_job(None, queue_worker) for _ in range(30)))

    taken = [job.id for job in asyncio.run(run()) if job is not None]
    assert len(taken) == len(set(taken)) > 0
    assert catalogue.statuses().count("doing") == len(taken)
