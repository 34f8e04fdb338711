"""Turns rows of the database into samples. Pure; one function for each statement of sql/queries/metrics.sql."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import deadlines
from ..schedule import CRON, QUEUES
from . import families as f
from .families import Family

Row = Mapping[str, Any]
Rows = Sequence[Row]

STATES = ("pending", "synced", "error")
STATUSES = ("success", "partial", "error")
TASKS = ("sync_product", *CRON)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram's value: (upper bound, how many are not above it) from the lowest bound on, and the sum."""

    buckets: list[tuple[str, float]]
    sum: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, with the values of its labels."""

    family: Family
    value: float | Distribution
    labels: tuple[str, ...] = ()


def products(rows: Rows) -> Iterator[Sample]:
    """Of metrics_products: a row a state."""
    by_state = {row["state"]: row for row in rows}
    for state in (*STATES, *sorted(set(by_state) - set(STATES))):
        yield Sample(f.PRODUCTS, by_state.get(state, {}).get("products", 0), (state,))
    pending = by_state.get("pending", {})
    yield Sample(f.PRODUCTS_READY, pending.get("ready", 0))
    yield Sample(f.OLDEST_PENDING, max(0.0, pending.get("oldest_seconds") or 0.0))


def collection(rows: Rows) -> Iterator[Sample]:
    """Of metrics_collection."""
    yield Sample(f.COLLECTION, round(rows[0]["photos"]))


def product_drift(rows: Rows) -> Iterator[Sample]:
    """Of metrics_product_drift; no row: nothing is synced."""
    yield from _drift(f.PRODUCT_DRIFT, ("unrecorded", "edited"), rows)


def photo_drift(rows: Rows) -> Iterator[Sample]:
    """Of metrics_photo_drift; no row: nothing is stored."""
    yield from _drift(f.PHOTO_DRIFT, ("orphaned", "unlisted"), rows)


def jobs(rows: Rows) -> Iterator[Sample]:
    """Of metrics_jobs: a row a queue, task and status, of the jobs that are alive."""
    alive = {(row["task"], row["status"]): row["jobs"] for row in rows}
    known = {(task, status): 0 for task in TASKS for status in ("todo", "doing")}
    for labels, count in {**known, **alive}.items():
        yield Sample(f.JOBS, count, labels)
    oldest = dict.fromkeys(QUEUES, 0.0)
    for row in rows:
        oldest[row["queue"]] = max(oldest.get(row["queue"], 0.0), row["ready_seconds"] or 0.0)
    for queue, seconds in oldest.items():
        yield Sample(f.QUEUE_AGE, seconds, (queue,))


def ended_jobs(rows: Rows) -> Iterator[Sample]:
    """Of metrics_ended_jobs: a row a task and status."""
    found = {(row["task"], row["status"]): row["jobs"] for row in rows}
    known = {(task, status): 0 for task in TASKS for status in ("succeeded", "failed")}
    for labels, count in {**known, **found}.items():
        yield Sample(f.JOBS, count, labels)


def stalled(rows: Rows) -> Iterator[Sample]:
    """Of metrics_stalled."""
    yield Sample(f.JOBS_STALLED, rows[0]["jobs"])


def removals(rows: Rows) -> Iterator[Sample]:
    """Of metrics_removals."""
    yield Sample(f.REMOVALS_HELD, rows[0]["held"])


def ticks(rows: Rows) -> Iterator[Sample]:
    """Of last_ticks: a row a task."""
    for row in rows:
        yield Sample(f.TICK, row["tick"], (row["task"],))


def workers(rows: Rows) -> Iterator[Sample]:
    """Of metrics_workers: a row a worker."""
    yield Sample(f.WORKERS, len(rows))
    yield Sample(f.WORKERS_ALIVE, sum(row["silent_seconds"] < deadlines.SILENT for row in rows))
    freshest: dict[tuple[str, str], float] = {}
    for row in rows:
        # A pid may have been another worker's before, on the same host.
        labels = (row["host"], str(row["pid"]))
        freshest[labels] = min(row["silent_seconds"], freshest.get(labels, row["silent_seconds"]))
    for labels, seconds in freshest.items():
        yield Sample(f.HEARTBEAT, max(0.0, seconds), labels)


def _drift(family: Family, kinds: tuple[str, ...], rows: Rows) -> Iterator[Sample]:
    for kind in kinds:
        yield Sample(family, round(rows[0][kind]) if rows else 0, (kind,))
