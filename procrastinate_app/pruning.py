"""Forgets what is old, in chunks, so that no statement holds many rows for long."""

from __future__ import annotations

from . import logs
from .database import Database

CHUNK = 5000

log = logs.get(__name__)


async def prune(database: Database, *, jobs_days: int, history_days: int) -> dict[str, int]:
    """Delete finished jobs older than `jobs_days`, and attempts, runs, comparisons and what operators did older than
    `history_days`; return the counts."""
    deleted = {
        "jobs": await _in_chunks(database, "prune_jobs", jobs_days),
        "attempts": await _in_chunks(database, "prune_attempts", history_days),
        "audit": await _in_chunks(database, "prune_audit", history_days),
        "runs": await database.run("prune_runs", days=history_days),
        "passes": await database.run("prune_passes", days=history_days),
        "workers": await database.run("forget_workers"),
    }
    log.info("pruned", **deleted)
    return deleted


async def _in_chunks(database: Database, name: str, days: int) -> int:
    total = 0
    while deleted := await database.run(name, days=days, limit=CHUNK):
        total += deleted
    return total
