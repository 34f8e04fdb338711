"""A worker's own heartbeat. It beats from start to end, also while the worker drains, when procrastinate's stops.

A process may live as several workers, one after another. Of one that ended without a database the row stays, and no
look at the process tells that it is dead: so this process remembers.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from importlib import metadata

import psycopg

from . import deadlines, logs
from .database import Database
from .jobs import PatientJobManager
from .process import this_process

log = logs.get(__name__)

_ended: set[uuid.UUID] = set()  # the workers that this process has been


@contextlib.asynccontextmanager
async def registered(
    database: Database, jobs: PatientJobManager, concurrency: int, listening: bool
) -> AsyncIterator[uuid.UUID]:
    """Register this worker, beat for it for as long as the block, then take it off the list."""
    worker_id = uuid.uuid4()
    try:
        await _register(database, worker_id, concurrency, listening)
        beating = asyncio.create_task(_beat(database, jobs, worker_id))
        try:
            yield worker_id
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
    finally:
        _ended.add(worker_id)
        with contextlib.suppress(psycopg.Error):
            await database.run("unregister_worker", id=worker_id)


def has_ended(worker_id: uuid.UUID) -> bool:
    """Whether this process has been that worker and is it no more."""
    return worker_id in _ended


async def _register(database: Database, worker_id: uuid.UUID, concurrency: int, listening: bool) -> None:
    process = this_process()
    await database.run(
        "register_worker",
        id=worker_id,
        host=process.host,
        pid=process.pid,
        process=process.identity,
        version=version(),
        concurrency=concurrency,
        listening=listening,
    )


async def _beat(database: Database, jobs: PatientJobManager, worker_id: uuid.UUID) -> None:
    known = None
    while True:
        # Soon after the queue has numbered this worker, so that a death in its first seconds is noticed as well.
        await asyncio.sleep(deadlines.BEAT if jobs.queue_worker == known and known is not None else 0.2)
        known = jobs.queue_worker
        try:
            await database.run("beat", id=worker_id, queue_worker=known)
        except psycopg.Error as error:
            log.warning("heartbeat_failed", error=type(error).__name__)


def version() -> str:
    """The installed version of this project."""
    try:
        return metadata.version("ximilar-sync")
    except metadata.PackageNotFoundError:
        return "unknown"
