"""procrastinate's job manager with what a paid, rate-limited account needs: no product job is fetched during a
pause, and neither an acknowledgement nor a tick is lost to a moment without the database."""

from __future__ import annotations

import asyncio
import datetime
import functools
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from procrastinate import utils
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from . import logs
from .queries import sql
from .retry import is_database_fault
from .schedule import PRODUCT_QUEUE, QUEUES

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
LOST_JOBS_SECONDS = 10.0

log = logs.get(__name__)


class PatientJobManager(JobManager):
    """Fetches, acknowledges and beats for one worker; `queue_worker` is its id in procrastinate_workers."""

    queue_worker: int | None = None

    def __init__(self, connector: BaseConnector) -> None:
        super().__init__(connector)
        self._held: dict[int, int] = {}  # the attempt of each job that is at work here
        self._failing_since: float | None = None
        self._look_for_lost_jobs_at = time.monotonic() + LOST_JOBS_SECONDS

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take the next job; product jobs only while the account is not paused.

        A fetch that fails gives no job, and the worker asks again; for a minute at most.
        """
        try:
            job = await self._lost_job(worker_id) or await self._next_job(queues, worker_id)
        except ConnectorException as error:
            await self._bear(error)
            return None
        self._failing_since = None
        if job is not None and job.id is not None:
            self._held[job.id] = job.attempts
        return job

    async def _lost_job(self, worker_id: int) -> Job | None:
        """A job that is `doing` by this worker and that this worker knows nothing of.

        The answer to its fetch was lost; or the end of it was, in a fail-over. Nobody else would take it from a
        worker that is alive, not before it is too old.
        """
        if time.monotonic() < self._look_for_lost_jobs_at:
            return None
        rows = await self.connector.execute_query_all_async(
            sql("lost_job"), worker_id=worker_id, held=list(self._held)
        )
        if not rows:
            self._look_for_lost_jobs_at = time.monotonic() + LOST_JOBS_SECONDS
            return None
        log.warning("lost_job_found", job_id=rows[0]["id"])
        return Job.from_row(rows[0])

    async def _bear(self, error: ConnectorException) -> None:
        """Wait a moment; raises the error when it is none of a passing kind, or has been met for too long."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if not is_database_fault(error) or now - self._failing_since >= PATIENCE_SECONDS:
            raise error
        self._look_for_lost_jobs_at = now
        log.warning("fetch_failed", error=type(error.__cause__).__name__)
        await asyncio.sleep(1.0)

    async def _next_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        wanted = list(queues) if queues is not None else None
        try:
            row = await self.connector.execute_query_one_async(
                sql("fetch_job"),
                queues=wanted,
                queues_while_paused=[queue for queue in wanted or QUEUES if queue != PRODUCT_QUEUE],
                worker_id=worker_id,
            )
        except UniqueViolation:
            # Another worker took a job of the same lock between our look and our take (procrastinate #1241).
            return None
        return None if row["id"] is None else Job.from_row(row)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """End the job, if it is still this worker's."""
        await self._acknowledge(job, "finish_held_job", status=status.value, delete_job=delete_job)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime.datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put the job back to the queue, if it is still this worker's."""
        # As a wait, for the database's clock: a worker whose own is ahead would put jobs off for as long.
        seconds = max(0.0, (retry_at - utils.utcnow()).total_seconds()) if retry_at else 0.0
        await self._acknowledge(
            job, "retry_held_job", seconds=seconds, priority=priority, queue=queue, lock=lock
        )

    async def defer_periodic_job(self, job: Job, periodic_id: str, defer_timestamp: int) -> int | None:
        """Defer a tick's job; the tick is unique in the database, so that a repetition defers nothing twice."""
        return await _patiently(
            functools.partial(super().defer_periodic_job, job, periodic_id, defer_timestamp)
        )

    async def register_worker(self) -> int:
        self.queue_worker = await super().register_worker()
        return self.queue_worker

    async def unregister_worker(self, worker_id: int) -> None:
        await super().unregister_worker(worker_id)
        self.queue_worker = None

    async def update_heartbeat(self, worker_id: int) -> None:
        """Beat; a beat that fails is not worth ending the worker for, the next one may do."""
        try:
            await super().update_heartbeat(worker_id)
        except ConnectorException as error:
            log.warning("heartbeat_failed", error=type(error.__cause__).__name__)

    async def _acknowledge(self, job: Job, name: str, **parameters: Any) -> None:
        """Repeat until the database takes it: a job whose end is lost stays `doing`, with its lock, for ever."""
        ask = functools.partial(self.connector.execute_query_all_async, sql(name), **parameters)
        try:
            held = await _patiently(
                functools.partial(ask, job_id=job.id, attempts=job.attempts, lock_held=job.lock)
            )
        finally:
            self._forget(job)
        if not held:
            # Taken over by a rescue, or ended by an earlier try whose answer was lost.
            log.warning("job_ended_elsewhere", job_id=job.id)

    def _forget(self, job: Job) -> None:
        # A job rescued by age may be at work here a second time: what ends is one of its lives.
        if job.id is not None and self._held.get(job.id) == job.attempts:
            del self._held[job.id]


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Repeat what is safe to repeat until the database takes it, for a minute at most."""
    gives_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except UniqueViolation:
            raise  # an answer, not the want of one
        except ConnectorException:
            if time.monotonic() >= gives_up:
                raise
            await asyncio.sleep(1.0)
