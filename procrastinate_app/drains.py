"""Drains: a run that ends well opens the next one, until nothing is left.

Each batch is a run of its own. Whoever ends one continues the drain; if that one dies in between, the sweep of each
minute does. Their jobs come after those of retries and operators.
"""

from __future__ import annotations

from . import logs, runs
from .database import Database, Row, Session
from .runs import Kind, Opener

ENQUEUE: dict[Kind, str] = {"sync": "enqueue_drain_sync", "retry": "enqueue_drain_retry"}

log = logs.get(__name__)


async def begin(
    database: Database, kind: Kind, *, batch_size: int, max_seconds: int, opener: Opener | None = None
) -> int | None:
    """Open a drain with its first run and return its id; None if one of this kind is at work already.

    Raises PutBack if the opener has opened a run already.
    """
    async with database.transaction() as tx:
        await tx.run("lock_enqueueing")
        await tx.take_long()
        drain_id: int | None = await tx.value("open_drain", kind=kind)
        if drain_id is None:
            return None
        run_id, products = await _open_run(tx, drain_id, kind, 0, batch_size)
        await runs.note_opened(tx, opener, run_id)
    log.info("drain_started", drain_id=drain_id, kind=kind)
    _log_run(drain_id, run_id, kind, products)
    if products == 0:
        await runs.close_if_over(database, run_id, max_seconds)
        await go_on(database, drain_id, batch_size=batch_size)
    return drain_id


async def go_on(database: Database, drain_id: int, *, batch_size: int) -> None:
    """Open the next run of a drain whose last one has ended, or end the drain. Once, whoever calls.

    While the account is paused nothing is opened: the sweep comes back.
    """
    async with database.transaction() as tx:
        await tx.run("lock_enqueueing")
        await tx.take_long()
        drain = await tx.one("drain_to_continue", drain_id=drain_id)
        if drain is None or drain["paused"]:
            return
        reason = None if drain["progress"] else ("no_progress" if drain["fetched"] else "drained")
        run_id = products = 0
        if reason is None:
            run_id, products = await _open_next_run(tx, drain, batch_size)
            if products == 0:
                await tx.run("discard_run", run_id=run_id)
                reason = "drained"
        if reason is not None:
            await tx.run("end_drain", drain_id=drain_id, reason=reason)
    if reason is None:
        _log_run(drain_id, run_id, drain["kind"], products)
    else:
        log.info("drain_ended", drain_id=drain_id, kind=drain["kind"], reason=reason)


async def follow(database: Database, ended: Row | None, *, batch_size: int) -> None:
    """Go on with the drain that a run belongs to which has just ended, if it does."""
    if ended is not None and ended["drain_id"] is not None:
        await go_on(database, ended["drain_id"], batch_size=batch_size)


async def sweep(database: Database, *, batch_size: int) -> None:
    """Go on with every drain that nobody is going on with."""
    for row in await database.all("open_drains"):
        await go_on(database, row["id"], batch_size=batch_size)


async def _open_next_run(tx: Session, drain: Row, batch_size: int) -> tuple[int, int]:
    """Open the run after the cursor or, once a sync is at the end, over what came in behind it meanwhile."""
    run_id, products = await _open_run(tx, drain["id"], drain["kind"], drain["cursor"], batch_size)
    if products == 0 and drain["kind"] == "sync":
        products = await tx.value(
            "enqueue_behind_drain", drain_id=drain["id"], run_id=run_id, limit=batch_size
        )
    return run_id, products


async def _open_run(tx: Session, drain_id: int, kind: Kind, cursor: int, batch_size: int) -> tuple[int, int]:
    run_id: int = await tx.value("open_run_of_drain", kind=kind, drain_id=drain_id)
    products: int = await tx.value(ENQUEUE[kind], run_id=run_id, cursor=cursor, limit=batch_size)
    await tx.run("move_drain", drain_id=drain_id, run_id=run_id)
    return run_id, products


def _log_run(drain_id: int, run_id: int, kind: Kind, products: int) -> None:
    log.info("run_started", run_id=run_id, kind=kind, drain_id=drain_id)
    log.info("products_found", run_id=run_id, kind=kind, products=products)
