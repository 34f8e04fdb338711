"""Why something waits, in words; and what is wrong with the system as a whole."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from web.console import waiting
from web.console.alarms import alarms

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
OPEN: dict[str, Any] = {
    **{"paused": False, "cause": None, "code": None, "text": None, "paused_at": None, "paused_until": None},
    **{"rate": None, "pauses": 0, "faults": 0, "last_success_at": NOW},
}
PAUSED = {
    **OPEN,
    "paused": True,
    "cause": "rate_limited",
    "code": 429,
    "text": "slow down",
    "paused_at": NOW - MINUTE,
}


def job(**facts: Any) -> dict[str, Any]:
    base = {"id": 7, "state": "todo", "later": None, "queue": "products", "holder": None, "ahead": 0}
    return {**base, "worker": None, "started_at": None, **facts}


def words(given: dict[str, Any], throttle: dict[str, Any] = OPEN, workers: int = 1) -> str:
    reason = waiting.job_waits(given, throttle, workers, 10_001, NOW)
    assert reason is not None
    return reason.text


@pytest.mark.parametrize(
    ("facts", "throttle", "workers", "said"),
    [
        ({"state": "doing", "worker": "sync-01, process 7", "started_at": NOW - MINUTE}, OPEN, 1,
         "It is running on sync-01, process 7, since 1 min ago."),
        ({"holder": 3}, PAUSED, 0, "It is behind job 3, which holds the same product: two never run at once."),
        ({}, {**PAUSED, "paused_until": NOW + 2 * MINUTE}, 0,
         "The account is paused: over the rate limit (429), “slow down”; tried again in 2 min."),
        ({}, PAUSED, 1, "The account is paused: over the rate limit (429), “slow down”; until an operator resumes it."),
        ({}, {**PAUSED, "text": None, "paused_until": NOW}, 1,
         "The account is paused: over the rate limit (429); the next request tries whether it is over."),
        ({"later": NOW + MINUTE}, OPEN, 1, "It was put off and is due in 1 min."),
        ({}, OPEN, 0, "No worker is alive to take it."),
        ({}, OPEN, 1, "It is next: a worker takes it as soon as one is free."),
        ({"ahead": 1}, OPEN, 1, "It waits its turn, with 1 job before it."),
        ({"ahead": 10_001}, OPEN, 1, "It waits its turn, with 10,000+ jobs before it."),
        ({"queue": "control"}, PAUSED, 1, "It is next: a worker takes it as soon as one is free."),
    ],
)  # fmt: skip
def test_a_job_waits(facts: dict[str, Any], throttle: dict[str, Any], workers: int, said: str) -> None:
    assert words(job(**facts), throttle, workers) == said


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "aborted"])
def test_a_job_that_is_over_waits_for_nothing(state: str) -> None:
    assert waiting.job_waits(job(state=state), OPEN, 1, 10_001, NOW) is None


@pytest.mark.parametrize(
    ("state", "image_status", "said"),
    [
        ("pending", "downloading", "Its photos are not ready: image_status is downloading."),
        ("pending", None, "Its photos are not ready: image_status is NULL."),
        ("pending", "uploaded", "No job is queued for it. The next sync takes it: in 1 min, 2026-11-22 12:01:00 UTC."),
        ("error", "uploaded", "No job is queued for it. The daily retry takes it once it has been in error for six "
         "hours, but that task is paused."),
        (None, "uploaded", "Its state is NULL, which no task selects."),
    ],
)  # fmt: skip
def test_a_product_without_a_job(state: str | None, image_status: str | None, said: str) -> None:
    ticks = {"ximilar_sync": NOW + MINUTE, "ximilar_retry": None}
    reason = waiting.product_waits({"state": state, "image_status": image_status}, NOW, ticks)
    assert reason is not None
    assert reason.text == said


def test_a_synced_product_waits_for_nothing() -> None:
    assert waiting.product_waits({"state": "synced", "image_status": "uploaded"}, NOW, {}) is None


def all_alarms(**facts: Any) -> list[str]:
    worker = {"host": "sync-01", "pid": 7, "alive": True, "silent_seconds": 1.0}
    well: dict[str, Any] = {
        "throttle": OPEN,
        "workers": [worker],
        "queue": {"waiting": 3, "running": 1, "oldest": NOW - MINUTE},
        "stuck": 0,
        "schedule": [],
        "last_run": None,
    }
    return [f"{alarm.tone}: {alarm.text}" for alarm in alarms(**{**well, **facts}, now=NOW)]


def test_all_is_well() -> None:
    assert all_alarms() == []


def test_what_could_not_be_learnt_alarms_nobody() -> None:
    assert all_alarms(throttle=None, workers=None, queue=None, stuck=None, schedule=None) == []


def test_the_worst_comes_first() -> None:
    silent = {"host": "sync-01", "pid": 7, "alive": False, "silent_seconds": 90.0}
    run = {"id": 9, "status": "partial", "synced": 1, "fetched": 3, "errors": 2, "completed_at": NOW - MINUTE}
    assert all_alarms(workers=[silent], stuck=1, last_run=run) == [
        "bad: No worker is alive. Worker sync-01 (7) fell silent 1 min 30 s ago. 3 jobs wait.",
        "warn: 1 job is running for longer than any may, or without a living worker.",
        "warn: Run 9 ended 1 min ago as partial: 1 of 3 synced, 2 in error.",
    ]


def test_a_pause_and_an_old_queue() -> None:
    old = {"waiting": 3, "running": 1, "oldest": NOW - 90 * MINUTE}
    assert all_alarms(queue=old) == ["warn: The oldest waiting product was queued 1 h 30 min ago."]
    assert all_alarms(queue=old, throttle=PAUSED) == [
        "bad: The account has been paused for 1 min: over the rate limit (429), “slow down”; "
        "until an operator resumes it."
    ]


def test_a_missed_and_a_paused_tick() -> None:
    row = {
        "task": "ximilar_retry",
        "last_tick": NOW - 40 * 24 * 60 * MINUTE,
        "paused_at": None,
        "paused_by": None,
    }
    paused = {**row, "paused_at": NOW, "paused_by": "olga"}
    late = all_alarms(schedule=[row])
    assert late == ["warn: ximilar_retry misses its ticks: the last it took was 40 d ago."]
    assert all_alarms(schedule=[paused]) == ["warn: ximilar_retry is paused by olga."]
