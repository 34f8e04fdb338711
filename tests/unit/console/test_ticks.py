"""A task is overdue by the cron that the workers wrote down, not by the default."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from web.console.alarms import alarms
from web.console.ticks import cron

NOW = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("expression", "hours_ago", "overdue"),
    [(None, 5, False), (None, 40, True), ("0 2 1 * *", 40, False), ("0 * * * *", 5, True)],
)
def test_overdue(expression: str | None, hours_ago: int, overdue: bool) -> None:
    last = NOW - datetime.timedelta(hours=hours_ago)
    row: dict[str, Any] = {"task": "reconcile", "last_tick": last, "paused_at": None, "cron": expression}
    nothing: dict[str, Any] = dict.fromkeys(("throttle", "workers", "queue", "stuck", "last_run"))
    found = alarms(**nothing, schedule=[row], now=NOW)
    assert any("misses its ticks" in alarm.text for alarm in found) is overdue


def test_before_a_worker_has_started_the_default_counts() -> None:
    assert cron("reconcile", None) == cron("reconcile", {"cron": None}) == "0 2 * * *"
