"""procrastinate's job manager with what a paid, rate-limited account needs: no product job is fetched during a
pause, and an acknowledgement is not lost to a moment without the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from . import logs
from .queries import sql
from .schedule import PRODUCT_QUEUE, QUEUES

PATIENCE_SECONDS = 60.0

log = logs.get(__name__)


class PatientJobManager(JobManager):
    """Fetches, acknowledges and beats for one worker; `queue_worker` is its id in procrastinate_workers."""

    queue_worker: int | None = None

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take the next job; product jobs only while the account is not paused."""
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
        await self._acknowledge(
            job, lambda: super(PatientJobManager, self).finish_job(job, status, delete_job)
        )

    async def retry_job(self, job: Job, *args: Any, **kwargs: Any) -> None:
        await self._acknowledge(job, lambda: super(PatientJobManager, self).retry_job(job, *args, **kwargs))

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

    async def _acknowledge(self, job: Job, write: Callable[[], Awaitable[None]]) -> None:
        """Repeat until the database takes it: a job whose end is lost stays `doing`, with its lock, for ever."""
        gives_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await write()
            except ConnectorException as error:
                if isinstance(error.__cause__, psycopg.errors.RaiseException):
                    # It is no longer `doing`: done by our first try, or taken over by a rescue.
                    log.warning("job_ended_elsewhere", job_id=job.id)
                    return None
                if time.monotonic() >= gives_up:
                    raise
                await asyncio.sleep(1.0)
