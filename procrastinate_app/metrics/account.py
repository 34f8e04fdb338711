"""Samples of the account: its throttle, its pauses, and the attempts made with it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from ..outcome import FAULTS_OF_A_PRODUCT
from ..ximilar.errors import AccountFault, ItemFault
from . import families as f
from .samples import Distribution, Rows, Sample

TIMED = ("synced", "error", "postponed")
FAULTS_OF_THE_ACCOUNT = tuple(kind.cause for kind in AccountFault.__subclasses__())
PAUSE_CAUSES = (*FAULTS_OF_THE_ACCOUNT, *FAULTS_OF_A_PRODUCT, "operator")


def throttle(rows: Rows) -> Iterator[Sample]:
    """Of metrics_throttle: one row."""
    row = rows[0]
    yield Sample(f.LIMIT, row["rate"])
    yield Sample(f.WAIT, row["wait"])
    yield Sample(f.BACKLOG, row["backlog"])
    if row["answered_at"] is not None:
        yield Sample(f.ANSWERED, row["answered_at"])
    yield from _pause(row["cause"], row["paused_at"], row["paused_until"])


def attempts(rows: Rows) -> Iterator[Sample]:
    """Of metrics_attempts: a row an outcome, cause and bucket."""
    counts = dict.fromkeys(_usual_ends(), 0.0)
    for row in rows:
        labels = (row["outcome"], row["cause"])
        counts[labels] = counts.get(labels, 0.0) + row["attempts"]
    for labels, count in counts.items():
        yield Sample(f.ATTEMPTS, count, labels)
    yield Sample(f.PHOTOS_SENT, sum(row["photos"] for row in rows))
    yield from _times(rows)


def _pause(cause: str | None, began: float | None, ends: float) -> Iterator[Sample]:
    for known in dict.fromkeys([*PAUSE_CAUSES, *([cause] if cause else [])]):
        yield Sample(f.PAUSED, float(known == cause), (known,))
    if cause:
        yield Sample(f.PAUSED_UNTIL, ends)
        if began is not None:
            yield Sample(f.PAUSED_AT, began)


def _usual_ends() -> Iterator[tuple[str, str]]:
    """What attempts may come to. A counter that begins at 0 shows its first event as an increase."""
    yield "synced", "none"
    for cause in (ItemFault.cause, "no_photos", "address_refused", *FAULTS_OF_A_PRODUCT):
        yield "error", cause
    for cause in (*FAULTS_OF_THE_ACCOUNT, *FAULTS_OF_A_PRODUCT):
        yield "postponed", cause
    yield "rescued", "worker_died"


def _times(rows: Rows) -> Iterator[Sample]:
    counts: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        if row["bucket"] and row["outcome"] in TIMED:
            counts[row["outcome"]][row["bucket"]] += row["attempts"]
            sums[row["outcome"]] += row["seconds"]
    for outcome, by_bucket in counts.items():
        bounds = [*(str(float(bound)) for bound in rows[0]["bounds"]), "+Inf"]
        upto = accumulate(by_bucket.get(place, 0.0) for place in range(1, len(bounds) + 1))
        yield Sample(
            f.ATTEMPT_SECONDS, Distribution(list(zip(bounds, upto, strict=True)), sums[outcome]), (outcome,)
        )
