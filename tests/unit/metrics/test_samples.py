"""Rows of the database become samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from procrastinate_app.metrics import account, progress, samples
from procrastinate_app.metrics import families as f
from procrastinate_app.metrics.families import Family
from procrastinate_app.metrics.samples import Distribution, Sample

THROTTLE: dict[str, Any] = {
    **{"rate": 10.0, "cause": None, "paused_at": None, "paused_until": float("-inf")},
    **{"wait": 0.0, "answered_at": None, "backlog": 0.0},
}
BOUNDS = [0.5, 1.0]


def values(found: Iterable[Sample], family: Family) -> dict[tuple[str, ...], Any]:
    return {sample.labels: sample.value for sample in found if sample.family is family}


def attempt(outcome: str, cause: str, bucket: int, count: int, seconds: float = 0.0) -> dict[str, Any]:
    counted = {"attempts": float(count), "photos": 2.0 * count, "seconds": seconds, "bounds": BOUNDS}
    return {"outcome": outcome, "cause": cause, "bucket": bucket, **counted}


def test_states_without_products_are_zero_and_strange_ones_are_shown() -> None:
    rows = [
        {"state": "pending", "products": 5, "ready": 3, "oldest_seconds": 60.0},
        {"state": "other", "products": 1, "ready": 1, "oldest_seconds": 999.0},
    ]
    found = list(samples.products(rows))
    assert values(found, f.PRODUCTS) == {("pending",): 5, ("synced",): 0, ("error",): 0, ("other",): 1}
    assert values(found, f.PRODUCTS_READY) == {(): 3}
    assert values(found, f.OLDEST_PENDING) == {(): 60.0}


def test_an_empty_catalogue_has_no_oldest_product() -> None:
    assert values(samples.products([]), f.OLDEST_PENDING) == {(): 0.0}


def test_a_queue_is_as_old_as_the_oldest_job_of_its_tasks() -> None:
    rows = [
        {"queue": "control", "task": "prune", "status": "todo", "jobs": 1, "ready_seconds": 5.0},
        {"queue": "control", "task": "ximilar_sync", "status": "todo", "jobs": 1, "ready_seconds": 9.0},
        {"queue": "control", "task": "prune", "status": "doing", "jobs": 1, "ready_seconds": None},
    ]
    found = list(samples.jobs(rows))
    assert values(found, f.QUEUE_AGE) == {("control",): 9.0, ("products",): 0.0, ("builtin",): 0.0}
    assert values(found, f.JOBS)["prune", "doing"] == 1
    assert values(found, f.JOBS)["sync_product", "todo"] == 0


def test_a_worker_is_alive_while_it_beats() -> None:
    rows = [
        {"host": "a", "pid": 1, "silent_seconds": 29.0},
        {"host": "a", "pid": 2, "silent_seconds": 31.0},
        {"host": "a", "pid": 2, "silent_seconds": 500.0},
    ]
    found = list(samples.workers(rows))
    assert values(found, f.WORKERS) == {(): 3}
    assert values(found, f.WORKERS_ALIVE) == {(): 1}
    assert values(found, f.HEARTBEAT) == {("a", "1"): 29.0, ("a", "2"): 31.0}


def test_a_pause_is_shown_by_its_cause_with_its_times() -> None:
    found = list(
        account.throttle([{**THROTTLE, "cause": "token_refused", "paused_at": 7.0, "paused_until": 9.0}])
    )
    paused = values(found, f.PAUSED)
    assert paused.pop(("token_refused",)) == 1
    assert set(paused.values()) == {0}
    assert values(found, f.PAUSED_AT) == {(): 7.0}
    assert values(found, f.PAUSED_UNTIL) == {(): 9.0}


def test_without_a_pause_every_cause_is_zero_and_has_no_times() -> None:
    found = list(account.throttle([THROTTLE]))
    assert set(values(found, f.PAUSED).values()) == {0}
    assert {("credit_exhausted",), ("server_fault",), ("operator",)} < set(values(found, f.PAUSED))
    assert not values(found, f.PAUSED_AT)
    assert not values(found, f.ANSWERED)


def test_a_cause_that_is_new_is_shown_as_well() -> None:
    found = account.throttle([{**THROTTLE, "cause": "strike", "paused_at": 7.0, "paused_until": 9.0}])
    assert values(found, f.PAUSED)["strike",] == 1


def test_attempts_are_summed_over_their_buckets() -> None:
    rows = [
        attempt("synced", "none", 1, 3, 0.6),
        attempt("synced", "none", 3, 2, 8.0),
        attempt("error", "refused", 2, 1, 0.7),
    ]
    found = list(account.attempts(rows))
    counts = values(found, f.ATTEMPTS)
    assert counts["synced", "none"] == 5
    assert counts["error", "refused"] == 1
    assert counts["postponed", "rate_limited"] == 0
    assert values(found, f.PHOTOS_SENT) == {(): 12}


def test_the_histogram_counts_upwards_and_leaves_out_what_was_not_timed() -> None:
    rows = [
        attempt("synced", "none", 0, 9),
        attempt("synced", "none", 1, 3, 0.6),
        attempt("synced", "moved", 3, 2, 8.0),
    ]
    times = values(account.attempts(rows), f.ATTEMPT_SECONDS)
    assert times == {("synced",): Distribution([("0.5", 3.0), ("1.0", 3.0), ("+Inf", 5.0)], 8.6)}


def test_a_kind_without_a_run_has_only_its_deadline() -> None:
    empty = dict.fromkeys(("fetched", "synced", "errors", "status", "completed_at", "seconds"))
    found = list(progress.last_runs([{"kind": "sync", "succeeded_at": 5.0, **empty}]))
    assert [sample.family for sample in found] == [f.LAST_SUCCESS]


def test_the_last_run_has_one_status() -> None:
    row = {"kind": "sync", "fetched": 4, "synced": 3, "errors": 1, "status": "partial"}
    found = list(progress.last_runs([{**row, "completed_at": 9.0, "seconds": 2.0, "succeeded_at": 5.0}]))
    assert values(found, f.LAST_STATUS) == {
        ("sync", "success"): 0,
        ("sync", "partial"): 1,
        ("sync", "error"): 0,
    }
    assert values(found, f.LAST_ERRORS) == {("sync",): 1}


def test_without_an_earlier_week_nothing_is_usual() -> None:
    assert not list(progress.weeks([{"synced": None, "usual": None}]))
    assert values(progress.weeks([{"synced": 5.0, "usual": None}]), f.WEEK_SYNCED) == {(): 5.0}
