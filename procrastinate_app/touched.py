"""Turns what the optional trigger on raw_products has noted into jobs.

The trigger notes where to look. Here the rows are compared with the ledger, so a scraper that rewrites identical
rows causes no job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import logs
from .database import Database, Row, Session
from .reconcile import CHUNK, Collection, scan

NOTES = 1000

log = logs.get(__name__)

Range = tuple[int, int, list[int] | None]


async def queue_touched(database: Database, collection: Collection) -> int:
    """Queue the products that were touched and have something to be done; returns how many.

    A note and its jobs are one transaction; a long range is worked off a chunk a transaction.
    """
    queued = 0
    while True:
        async with database.transaction() as tx:
            await tx.take_long()
            await tx.run("lock_enqueueing")
            notes = await tx.all("take_touched", limit=NOTES)
            for found in _ranges(notes):
                queued += await _queue(tx, collection, *await _first_chunk(tx, *found))
            if any(note["ids"] is None and note["first_id"] is None for note in notes):
                queued += await _queue_anywhere(tx)
        if not notes:
            break
    if queued:
        log.info("touched_queued", products=queued)
    return queued


def _ranges(notes: Sequence[Row]) -> Iterator[Range]:
    """Merge the notes: ids that are close together, then ranges that overlap."""
    ids = sorted({product_id for note in notes for product_id in note["ids"] or ()})
    while ids:
        window = [product_id for product_id in ids if product_id < ids[0] + CHUNK]
        yield window[0] - 1, window[-1], window
        ids = ids[len(window) :]
    begun: tuple[int, int] | None = None
    for first, last in sorted(
        (note["first_id"], note["last_id"]) for note in notes if note["first_id"] is not None
    ):
        if begun is not None and first <= begun[1] + 1:
            begun = (begun[0], max(begun[1], last))
            continue
        if begun is not None:
            yield begun[0] - 1, begun[1], None
        begun = (first, last)
    if begun is not None:
        yield begun[0] - 1, begun[1], None


async def _first_chunk(tx: Session, after: int, last: int, only: list[int] | None) -> Range:
    """Cut a long range after its first chunk and put the rest back."""
    if only is None and last - after > CHUNK:
        end = await tx.value("chunk_end", after=after, limit=CHUNK)
        if end is not None and end < last:
            await tx.run("put_back_touched", first_id=end + 1, last_id=last)
            return after, end, None
    return after, last, only


async def _queue_anywhere(tx: Session) -> int:
    """Queue the first chunk of what waits anywhere and, if there may be more, put the note back."""
    queued: int = await tx.value("enqueue_anywhere", limit=CHUNK)
    if queued == CHUNK:
        await tx.run("put_back_touched", first_id=None, last_id=None)
    return queued


async def _queue(tx: Session, collection: Collection, after: int, last: int, only: list[int] | None) -> int:
    found = await scan(tx, collection, after, last, only)
    queued: int = await tx.value("enqueue_repairs", ids=found.heirs, sent_before=0)
    queued += await tx.value(
        "enqueue_touched", after=after, last=last, only=only, changed=found.repairs(collection.policy)
    )
    return queued
