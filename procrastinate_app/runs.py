"""Runs: what one `ximilar_sync` or `ximilar_retry` enqueued, its end, and the row others read in scraper_logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import logs
from .database import Database, Row, Session
from .retry import PutBack

Kind = Literal["sync", "retry"]

ENQUEUE: dict[Kind, str] = {"sync": "enqueue_pending", "retry": "enqueue_errors"}
NOTE_LIMIT = 500

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Opener:
    """The job that opens a run. `attempt` tells two lives of it."""

    job_id: int
    attempt: int


async def begin(
    database: Database, kind: Kind, *, batch_size: int, max_seconds: int, opener: Opener | None = None
) -> int:
    """Open a run, enqueue its products in one transaction, and return its id. One that finds none ends at once.

    Raises PutBack if the opener has opened a run already.
    """
    async with database.transaction() as tx:
        run_id, products = await enqueue(tx, kind, batch_size=batch_size)
        await note_opened(tx, opener, run_id)
    log.info("run_started", run_id=run_id, kind=kind)
    log.info("products_found", run_id=run_id, kind=kind, products=products)
    if products == 0:
        await close_if_over(database, run_id, max_seconds)
    return run_id


async def enqueue(tx: Session, kind: Kind, *, batch_size: int) -> tuple[int, int]:
    """Open a run and turn its products into jobs; returns (run id, number of products)."""
    await tx.run("lock_enqueueing")
    await tx.take_long()
    run_id = await tx.value("open_run", kind=kind)
    return run_id, await tx.value(ENQUEUE[kind], run_id=run_id, limit=batch_size)


async def note_opened(tx: Session, opener: Opener | None, run_id: int) -> None:
    """Have the opener's next life know of the run: a tick has one row in scraper_logs, whatever fails in between.

    In the transaction that opens the run. Raises PutBack if another life of the job has opened one or taken over.
    """
    if opener is not None and not await tx.one(
        "note_opened_run", run_id=run_id, job_id=opener.job_id, job_attempt=opener.attempt
    ):
        raise PutBack("another life of this job opens its run")


async def close_if_over(database: Database, run_id: int, max_seconds: int) -> Row | None:
    """End the run if none of its products is on its way any more, or it is too old. Once, whoever calls.

    Returns the run if this call has ended it.
    """
    if await database.value("run_is_over", run_id=run_id):
        return await close(database, run_id, max_seconds)
    return None


async def close(database: Database, run_id: int, max_seconds: int) -> Row | None:
    """End the run and write its row of scraper_logs in the same transaction, unless it has ended or is not over.

    Returns the run if this call has ended it.
    """
    async with database.transaction() as tx:
        ended = await tx.one("close_run", run_id=run_id, max_seconds=max_seconds)
        if ended is None:
            return None
        note = await _note(tx, run_id)
        await tx.run("log_run", run_id=run_id, note=note)
        await tx.run("insert_scraper_log", run_id=run_id)
    _log_end(ended, note)
    return ended


async def sweep(database: Database, max_seconds: int) -> None:
    """Settle products whose job is dead, then end every run that is over."""
    await database.run("settle_dead")
    for row in await database.all("finished_runs", max_seconds=max_seconds):
        await close(database, row["id"], max_seconds)


async def _note(tx: Session, run_id: int) -> str | None:
    """What became of the products that are neither synced nor in error: `100 postponed: 429; 1 gone`."""
    parts = [
        f"{row['products']} {row['outcome'].replace('_', ' ')}" + (f": {row['why']}" if row["why"] else "")
        for row in await tx.all("rest_of_run", run_id=run_id)
    ]
    return "; ".join(parts)[:NOTE_LIMIT] or None


def _log_end(ended: Row, note: str | None) -> None:
    log.info(
        "run_completed",
        run_id=ended["id"],
        kind=ended["kind"],
        status=ended["status"],
        fetched=ended["fetched"],
        synced=ended["synced"],
        errors=ended["errors"],
        seconds=round(ended["seconds"], 3),
        rest=note,
    )
