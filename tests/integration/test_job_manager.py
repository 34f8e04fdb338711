"""Acknowledgements: not lost to a moment without the database, and never of somebody else's job."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from procrastinate import utils
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status

from procrastinate_app import jobs
from procrastinate_app.app import SyncApp
from procrastinate_app.jobs import PatientJobManager
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_proxy import FaultProxy
from tests.fix_worker import Worker, connect, eventually

Act = Callable[[PatientJobManager, Job], Awaitable[None]]


async def finish(manager: PatientJobManager, job: Job) -> None:
    await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)


async def put_back(manager: PatientJobManager, job: Job) -> None:
    await manager.retry_job(job, retry_at=datetime.datetime.now(datetime.UTC))


def fetch_then(worker: Worker, work: Callable[[PatientJobManager, Job, int], Awaitable[Any]]) -> None:
    """Fetch a job as a worker does, and go on from there."""

    async def run() -> None:
        app = SyncApp(worker.settings)
        async with app.open_async():
            manager = app.job_manager
            queue_worker = await manager.register_worker()
            job = await manager.fetch_job(None, queue_worker)
            assert job is not None
            await work(manager, job, queue_worker)

    asyncio.run(run())


@pytest.mark.parametrize(("act", "status"), [(finish, "succeeded"), (put_back, "todo")])
def test_an_acknowledgement(catalogue: Catalogue, worker_anywhere: Worker, act: Act, status: str) -> None:
    catalogue.queue(catalogue.add().id)
    fetch_then(worker_anywhere, lambda manager, job, _: act(manager, job))
    assert catalogue.statuses() == [status]


@pytest.mark.parametrize("act", [finish, put_back])
def test_a_job_taken_over_by_another_worker_is_left_to_it(
    catalogue: Catalogue, worker: Worker, act: Act
) -> None:
    """procrastinate has no fencing: a worker that slept would end, or give away, what another one is doing."""
    catalogue.queue(catalogue.add().id)

    async def wake_up_late(manager: PatientJobManager, job: Job, queue_worker: int) -> None:
        catalogue.owner.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job.id])
        again = await manager.fetch_job(None, queue_worker)
        assert again is not None
        await act(manager, job)

    fetch_then(worker, wake_up_late)
    assert catalogue.statuses() == ["doing"]


@pytest.mark.parametrize("act", [finish, put_back])
def test_a_number_that_a_fail_over_hands_out_again_is_another_job(
    catalogue: Catalogue, worker: Worker, act: Act
) -> None:
    """A standby that lacks the last commits counts from where it stands: number and attempt are the same."""
    catalogue.queue(catalogue.add().id)

    async def after_the_fail_over(manager: PatientJobManager, job: Job, _queue_worker: int) -> None:
        other = f"product:{catalogue.add().id}"
        catalogue.owner.execute("UPDATE procrastinate_jobs SET lock = %s WHERE id = %s", [other, job.id])
        await act(manager, job)

    fetch_then(worker, after_the_fail_over)
    assert catalogue.statuses() == ["doing"]


@pytest.mark.parametrize("act", [finish, put_back])
def test_a_job_that_was_rescued_and_waits_is_not_ended_by_its_former_worker(
    catalogue: Catalogue, worker: Worker, act: Act
) -> None:
    catalogue.queue(catalogue.add().id)

    async def wake_up_late(manager: PatientJobManager, job: Job, _queue_worker: int) -> None:
        catalogue.owner.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job.id])
        await act(manager, job)

    fetch_then(worker, wake_up_late)
    (job,) = catalogue.jobs()
    assert (job["status"], job["attempts"]) == ("todo", 1)


def test_a_job_is_put_back_by_the_databases_clock(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is an hour ahead must not put jobs off for an hour."""
    catalogue.queue(catalogue.add().id)
    ahead = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    monkeypatch.setattr(utils, "utcnow", lambda: ahead)

    async def back(manager: PatientJobManager, job: Job, _queue_worker: int) -> None:
        await manager.retry_job(job, retry_at=ahead + datetime.timedelta(seconds=3))

    fetch_then(worker, back)
    wait = "SELECT extract(epoch FROM scheduled_at - now())::float8 FROM procrastinate_jobs WHERE lock IS NOT NULL"
    assert 0 < catalogue.value(wait) < 4


@pytest.mark.parametrize(("act", "status"), [(finish, "succeeded"), (put_back, "todo")])
def test_an_acknowledgement_survives_a_killed_connection(
    database: Database, catalogue: Catalogue, worker: Worker, act: Act, status: str
) -> None:
    """The job's row is locked, so the statement hangs in its connection when that is killed."""
    catalogue.queue(catalogue.add().id)

    async def cut(manager: PatientJobManager, job: Job, _queue_worker: int) -> None:
        with psycopg.connect(database.owner_url) as blocker:
            blocker.execute("SELECT FROM ximilar.procrastinate_jobs FOR UPDATE")
            acknowledging = asyncio.ensure_future(act(manager, job))
            await eventually(lambda: kill_whoever_waits(catalogue))
        await acknowledging

    fetch_then(worker, cut)
    assert catalogue.statuses() == [status]


def test_a_tick_survives_a_killed_connection(
    database: Database, catalogue: Catalogue, worker: Worker
) -> None:
    """procrastinate ends a worker whose deferrer meets a fault, and has noted the tick as done by then."""
    tick = Job(
        id=None,
        queue="control",
        lock=None,
        queueing_lock=None,
        task_name="prune",
        task_kwargs={"timestamp": 1},
    )

    async def defer() -> int | None:
        app = SyncApp(worker.settings)
        async with app.open_async():
            with psycopg.connect(database.owner_url) as blocker:
                blocker.execute("LOCK ximilar.procrastinate_periodic_defers")
                deferring = asyncio.ensure_future(app.job_manager.defer_periodic_job(tick, "", 1))
                await eventually(lambda: kill_whoever_waits(catalogue))
            assert await deferring is not None
            return await app.job_manager.defer_periodic_job(tick, "", 1)

    assert asyncio.run(defer()) is None
    assert catalogue.value("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'prune'") == 1


def kill_whoever_waits(catalogue: Catalogue) -> bool:
    """End the backends of the role that wait for a lock; returns whether there was one."""
    return bool(
        catalogue.all(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename = 'ximilar' AND wait_event_type = 'Lock'
            """
        )
    )


def test_an_acknowledgement_whose_answer_was_lost_is_not_repeated_for_ever(
    catalogue: Catalogue, worker: Worker
) -> None:
    catalogue.queue(catalogue.add().id)

    async def twice(manager: PatientJobManager, job: Job, _queue_worker: int) -> None:
        await finish(manager, job)
        await asyncio.wait_for(finish(manager, job), 5)

    fetch_then(worker, twice)
    assert catalogue.statuses() == ["succeeded"]


def test_jobs_of_one_product_do_not_run_together(catalogue: Catalogue, worker: Worker) -> None:
    product = catalogue.add()
    catalogue.queue(product.id)
    catalogue.queue(product.id)

    async def fetch_again(manager: PatientJobManager, _job: Job, queue_worker: int) -> None:
        assert await manager.fetch_job(None, queue_worker) is None

    fetch_then(worker, fetch_again)


def test_a_heartbeat_that_fails_does_not_end_the_worker(database: Database, worker: Worker) -> None:
    async def beat() -> None:
        app = SyncApp(worker.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            with connect(database.owner_url) as owner:
                owner.execute("ALTER TABLE ximilar.procrastinate_workers RENAME TO elsewhere")
            await app.job_manager.update_heartbeat(queue_worker)

    asyncio.run(beat())


def test_a_fetch_that_fails_is_borne(
    catalogue: Catalogue, worker: Worker, start_proxy: Callable[[str], FaultProxy]
) -> None:
    """An error in a fetch would end the worker and let all it holds drain first."""
    proxy = start_proxy(worker.url)
    worker.url = proxy.address(worker.url)
    catalogue.queue(catalogue.add().id)

    async def run() -> None:
        app = SyncApp(worker.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            proxy.cut_at(b"procrastinate_fetch_job")
            assert await app.job_manager.fetch_job(None, queue_worker) is None
            assert proxy.caught
            assert await app.job_manager.fetch_job(None, queue_worker) is not None

    asyncio.run(run())


def test_a_job_whose_fetch_was_never_answered_is_found_again(
    catalogue: Catalogue, worker: Worker, start_proxy: Callable[[str], FaultProxy]
) -> None:
    proxy = start_proxy(worker.url)
    worker.url = proxy.address(worker.url)
    jobs = [catalogue.queue(catalogue.add().id) for _ in range(2)]

    async def run() -> list[int | None]:
        app = SyncApp(worker.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            proxy.cut_at(b"procrastinate_fetch_job", heard=True)
            assert await app.job_manager.fetch_job(None, queue_worker) is None
            await eventually(lambda: catalogue.statuses() == ["doing", "todo"])
            fetched = [await app.job_manager.fetch_job(None, queue_worker) for _ in range(3)]
            return [None if job is None else job.id for job in fetched]

    assert asyncio.run(run()) == [*jobs, None]


def test_a_job_whose_end_a_fail_over_forgot_is_found_again(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the standby it is still `doing`, by a worker that is alive and has long forgotten it."""
    monkeypatch.setattr(jobs, "LOST_JOBS_SECONDS", 0.0)
    number = catalogue.queue(catalogue.add().id)

    async def run() -> list[int | None]:
        app = SyncApp(worker.settings)
        async with app.open_async():
            manager, found = app.job_manager, list[int | None]()
            queue_worker = await manager.register_worker()
            for _ in range(2):
                job = await manager.fetch_job(None, queue_worker)
                assert await manager.fetch_job(None, queue_worker) is None, "it is held"
                assert job is not None
                found.append(job.id)
                await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
                forget = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s"
                catalogue.owner.execute(forget, [queue_worker, number])
            return found

    assert asyncio.run(run()) == [number, number]


def test_the_end_of_a_rescued_life_does_not_forget_the_one_at_work(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job rescued by age may come to the same worker again while its first life still runs there."""
    monkeypatch.setattr(jobs, "LOST_JOBS_SECONDS", 0.0)
    catalogue.queue(catalogue.add().id)

    async def two_lives(manager: PatientJobManager, first: Job, queue_worker: int) -> None:
        catalogue.owner.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [first.id])
        second = await manager.fetch_job(None, queue_worker)
        assert second is not None
        await finish(manager, first)
        assert await manager.fetch_job(None, queue_worker) is None, "the second is held"
        await finish(manager, second)

    fetch_then(worker, two_lives)
    assert catalogue.statuses() == ["succeeded"]


def test_a_worker_that_was_struck_off_ends_at_its_next_fetch(catalogue: Catalogue, worker: Worker) -> None:
    """No patience helps: it has to register again, and the supervisor starts it anew."""
    catalogue.queue(catalogue.add().id)

    async def run() -> None:
        app = SyncApp(worker.settings)
        async with app.open_async():
            queue_worker = await app.job_manager.register_worker()
            catalogue.owner.execute("DELETE FROM procrastinate_workers")
            with pytest.raises(ConnectorException):
                await app.job_manager.fetch_job(None, queue_worker)

    asyncio.run(run())
