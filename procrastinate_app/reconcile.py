"""Compares the catalogue with the ledger and queues what makes the collection true again.

A pass goes over all products in key-set chunks; each chunk is one transaction with its place in the pass, so a pass
that is cut off goes on where it was. What changed is queued as repairs; what has no place in the collection any more
becomes a candidate for removal, is looked at again later, and is removed unless it is too much at once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from . import logs
from .database import Database, Row, Session
from .plan import Policy
from .ximilar.profile import Profile

CHUNK = 5000
LAST_ID = 2**63 - 1
RECHECK_MARGIN_SECONDS = 60

log = logs.get(__name__)

Kind = Literal["full", "recheck"]


@dataclass(frozen=True, slots=True)
class Guard:
    """When removals wait for an operator: more than `most` products in one pass, or more than `free` of them that
    are `percent` of the products stored. A candidate is confirmed `debounce` seconds after it was found."""

    debounce: int = 600
    most: int = 500
    percent: float = 5.0
    free: int = 20

    def holds(self, removals: int, stored: int) -> bool:
        """Whether so many removals, of so many products stored, are too many."""
        return removals > self.most or (removals > self.free and removals * 100 >= self.percent * stored)

    def enough(self, removals: int) -> int:
        """So many products stored, and further ones make no difference to `holds`: no need to count millions."""
        return int(removals * 100 / self.percent) + 1 if self.percent else 1


@dataclass(frozen=True, slots=True)
class Collection:
    """Which collection is compared, and what may be done about it."""

    profile: str
    collection_id: str
    policy: Policy = field(default_factory=Policy)
    guard: Guard = field(default_factory=Guard)

    @classmethod
    def of(cls, profile: Profile, policy: Policy, guard: Guard) -> Collection:
        """Return the collection that a profile speaks to."""
        return cls(profile.name, profile.collection_id, policy, guard)

    @property
    def where(self) -> dict[str, str]:
        """The parameters that name it."""
        return {"profile": self.profile, "collection_id": self.collection_id}


@dataclass(frozen=True, slots=True)
class Found:
    """What one chunk showed: products that changed, and those without a place, as rows of `scan_chunk`."""

    changed: list[Row]
    absent: list[Row]

    @property
    def heirs(self) -> list[int]:
        """The ids of products of which the ledger knows nothing but their SKU."""
        return [row["product_id"] for row in self.changed if not row["stored"]]

    def repairs(self, policy: Policy) -> list[int]:
        """The ids of products for which something may be done."""
        return [row["product_id"] for row in self.changed if _may_be_repaired(row, policy)]

    def counts(self, policy: Policy) -> dict[str, int]:
        """How many products and photos are not as they should be, and what the policy leaves so."""
        kinds = ("missing", "stale", "gone", "strays")
        totals = {kind: sum(row[kind] for row in self.changed) for kind in kinds}
        return {
            "changed": len(self.changed),
            "absent": len(self.absent),
            "missing": totals["missing"],
            "stale": totals["stale"],
            "gone": totals["gone"] + totals["strays"],
            "would_carry": 0 if policy.carry else totals["stale"],
            "would_remove": 0 if policy.remove else totals["gone"] + len(self.absent),
        }


async def run_pass(database: Database, collection: Collection) -> Row:
    """Make one pass over the catalogue and return its row."""
    current = await _new(database, collection, "full")
    await _search(database, collection, current, until=None)
    return await _end(database, collection, current)


async def go_on(database: Database, collection: Collection, kind: Kind, *, until: float) -> Row | None:
    """Make one pass, or go on with one that was cut off, and return its row.

    Returns None if it was not done when the monotonic clock reached `until`: the next call goes on with it. A
    `recheck` looks at the candidates for removal only.
    """
    current = await _unfinished_or_new(database, collection, kind)
    if not await _search(database, collection, current, until=until):
        return None
    return await _end(database, collection, current)


async def apply_removals(database: Database, collection: Collection, most: int) -> tuple[int, bool]:
    """Look again, then queue the removal of everything confirmed if that is at most `most` products.

    Returns the number now, and whether it was applied.
    """
    current = await _new(database, collection, "full")
    await _search(database, collection, current, until=None)
    return await _approve_at_most(database, collection, current, most)


async def go_on_applying(
    database: Database, collection: Collection, most: int, *, until: float, cut_off: bool
) -> tuple[int, bool] | None:
    """As apply_removals, or None if it was not done at `until`: the next call, `cut_off`, goes on with it."""
    # An unfinished pass of somebody else may have begun hours before the operator decided.
    begin = _unfinished_or_new if cut_off else _new
    current = await begin(database, collection, "full")
    if not await _search(database, collection, current, until=until):
        return None
    return await _approve_at_most(database, collection, current, most)


async def look(database: Database, collection: Collection) -> tuple[list[Found], int]:
    """Compare without writing anything; returns what was found and how many removals a pass would confirm."""
    found, confirmed = [], 0
    async for after, last, only in _chunks(database, collection, "full", 0):
        async with database.transaction() as tx:
            await tx.take_long()
            found.append(await scan(tx, collection, after, last, only))
    for chunk in found:
        ids = [row["product_id"] for row in chunk.absent]
        confirmed += await database.value(
            "confirmed_among", ids=ids, debounce=collection.guard.debounce, **collection.where
        )
    return found, confirmed


async def scan(
    session: Session, collection: Collection, after: int, last: int, only: Sequence[int] | None = None
) -> Found:
    """Compare the products with ids in (after, last], or those of them in `only`."""
    rows = await session.all(
        "scan_chunk", after=after, last=last, only=None if only is None else list(only), **collection.where
    )
    changed = [row for row in rows if row["synced"] and row["absence"] in (None, "no_photos")]
    return Found(changed, [row for row in rows if row["absence"] is not None])


async def too_many(session: Session | Database, collection: Collection, removals: int) -> bool:
    """Whether so many confirmed removals are to wait for an operator."""
    guard = collection.guard
    if removals <= guard.free:
        return False
    limit = guard.enough(removals)
    return guard.holds(removals, await session.value("stored_products", limit=limit, **collection.where))


async def _unfinished_or_new(database: Database, collection: Collection, kind: Kind) -> Row:
    current = await database.one("unfinished_pass", kind=kind, **collection.where)
    return await _new(database, collection, kind) if current is None else current


async def _new(database: Database, collection: Collection, kind: Kind) -> Row:
    opened = await database.one("open_pass", kind=kind, **collection.where)
    assert opened is not None
    return opened


async def _search(database: Database, collection: Collection, current: Row, *, until: float | None) -> bool:
    """Go through the chunks that are left; returns whether all were done in time."""
    async for after, last, only in _chunks(database, collection, current["kind"], current["cursor"]):
        if until is not None and time.monotonic() >= until:
            return False
        async with database.transaction() as tx:
            await tx.take_long()
            await tx.run("lock_enqueueing")
            await _chunk(tx, collection, current["id"], after, last, only)
    return True


async def _chunks(
    database: Database, collection: Collection, kind: Kind, after: int
) -> AsyncIterator[tuple[int, int, list[int] | None]]:
    """Ranges (after, last] that cover all ids from `after` on; for a recheck with the candidates in each."""
    while after < LAST_ID:
        only = None
        if kind == "full":
            last = await database.value("chunk_end", after=after, limit=CHUNK) or LAST_ID
        else:
            rows = await database.all("candidate_ids", after=after, limit=CHUNK, **collection.where)
            only = [row["product_id"] for row in rows]
            last = only[-1] if len(only) == CHUNK else LAST_ID
        yield after, last, only
        after = last


async def _chunk(
    tx: Session, collection: Collection, pass_id: int, after: int, last: int, only: list[int] | None
) -> None:
    found = await scan(tx, collection, after, last, only)
    ids = [row["product_id"] for row in found.absent]
    await tx.run("note_absent", ids=ids, reasons=[row["absence"] for row in found.absent], **collection.where)
    await tx.run("drop_returned", ids=ids, after=after, last=last, **collection.where)
    queued = await tx.value("enqueue_repairs", ids=found.heirs, sent_before=0)
    queued += await tx.value("enqueue_repairs", ids=found.repairs(collection.policy), sent_before=None)
    counts = found.counts(collection.policy)
    await tx.run("advance_pass", pass_id=pass_id, cursor=last, queued=queued, **counts)


async def _end(database: Database, collection: Collection, current: Row) -> Row:
    async with database.transaction() as tx:
        await tx.take_long()
        await tx.run("lock_enqueueing")
        ended = await _remove_or_hold(tx, collection, current)
    _log_end(ended)
    return ended


async def _remove_or_hold(tx: Session, collection: Collection, current: Row) -> Row:
    confirmed = await _confirmed(tx, collection, current) if collection.policy.remove else 0
    held = confirmed if await too_many(tx, collection, confirmed) else 0
    if confirmed and not held:
        await _approve(tx, collection, current)
    elif collection.policy.remove:
        await tx.run("enqueue_removals", **collection.where)
    debounce = collection.guard.debounce
    if await tx.value("unconfirmed_removals", debounce=debounce, **collection.where):
        await tx.run("enqueue_recheck", seconds=debounce + RECHECK_MARGIN_SECONDS)
    ended = await tx.one("end_pass", pass_id=current["id"], removing=0 if held else confirmed, held=held)
    assert ended is not None
    return ended


async def _approve_at_most(
    database: Database, collection: Collection, current: Row, most: int
) -> tuple[int, bool]:
    async with database.transaction() as tx:
        await tx.take_long()
        await tx.run("lock_enqueueing")
        confirmed = await _confirmed(tx, collection, current)
        applied = confirmed <= most
        if applied:
            await _approve(tx, collection, current)
        counts = {"removing": confirmed, "held": 0} if applied else {"removing": 0, "held": confirmed}
        await tx.run("end_pass", pass_id=current["id"], **counts)
    log.warning("removals_applied" if applied else "removals_held", products=confirmed, at_most=most)
    return confirmed, applied


async def _approve(tx: Session, collection: Collection, current: Row) -> None:
    debounce = collection.guard.debounce
    await tx.run("approve_removals", since=current["started_at"], debounce=debounce, **collection.where)
    await tx.run("enqueue_removals", **collection.where)


async def _confirmed(tx: Session, collection: Collection, current: Row) -> int:
    found: int = await tx.value(
        "confirmed_removals",
        since=current["started_at"],
        debounce=collection.guard.debounce,
        **collection.where,
    )
    return found


def _may_be_repaired(row: Row, policy: Policy) -> bool:
    # Strays go out whatever the policy is.
    if row["missing"] or row["strays"] or row["absence"] is not None:
        return True
    return bool((row["stale"] and policy.carry) or (row["gone"] and policy.remove))


def _log_end(ended: Row) -> None:
    facts: dict[str, Any] = {name: ended[name] for name in ended if name not in _NOT_LOGGED}
    log.info("reconciled", pass_id=ended["id"], **facts)
    if ended["held"]:
        log.error(
            "removals_held", products=ended["held"], apply=f"ximilar-sync reconcile --apply {ended['held']}"
        )


_NOT_LOGGED = ("id", "started_at", "completed_at", "cursor", "profile", "collection_id")
