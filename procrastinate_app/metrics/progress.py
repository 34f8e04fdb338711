"""Samples of runs: the last ones, the open ones, and what a week usually brings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from . import families as f
from .samples import STATUSES, Row, Rows, Sample

OUTCOMES = ("synced", "errors", "others", "remaining")


def last_runs(rows: Rows) -> Iterator[Sample]:
    """Of metrics_last_runs: a row a kind, empty where no run of it has ended yet."""
    for row in rows:
        yield Sample(f.LAST_SUCCESS, row["succeeded_at"], (row["kind"],))
        if row["status"] is not None:
            yield from _last_run(row, row["kind"])


def open_runs(rows: Rows) -> Iterator[Sample]:
    """Of metrics_open_runs: a row a kind that has open runs."""
    for row in rows:
        yield Sample(f.OPEN_SINCE, row["started_at"], (row["kind"],))
        for outcome in OUTCOMES:
            yield Sample(f.OPEN_PRODUCTS, row[outcome], (row["kind"], outcome))


def weeks(rows: Rows) -> Iterator[Sample]:
    """Of metrics_weeks: one row, without `usual` until a second week has runs."""
    row = rows[0]
    if row["synced"] is not None:
        yield Sample(f.WEEK_SYNCED, row["synced"])
    if row["usual"] is not None:
        yield Sample(f.WEEK_USUAL, row["usual"])


def _last_run(row: Row, kind: str) -> Iterator[Sample]:
    yield Sample(f.LAST_COMPLETED, row["completed_at"], (kind,))
    yield Sample(f.LAST_FETCHED, row["fetched"], (kind,))
    yield Sample(f.LAST_SYNCED, row["synced"], (kind,))
    yield Sample(f.LAST_ERRORS, row["errors"], (kind,))
    yield Sample(f.LAST_SECONDS, row["seconds"], (kind,))
    for status in STATUSES:
        yield Sample(f.LAST_STATUS, float(status == row["status"]), (kind, status))
