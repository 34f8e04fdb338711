"""When periodic tasks were and will be due, by the cron the workers wrote down. All in UTC."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from croniter import croniter

from procrastinate_app.schedule import CRON


def cron(task: str, row: Mapping[str, Any] | None) -> str:
    """The cron of a task; `row` is its row of schedule_view. Before any worker has started, the default."""
    return str((row or {}).get("cron") or CRON[task])


def next_tick(expression: str, now: datetime.datetime) -> datetime.datetime:
    """The first tick after now."""
    return _at(croniter(expression, now.timestamp()).get_next(float))


def previous_tick(expression: str, now: datetime.datetime) -> datetime.datetime:
    """The last tick before now."""
    return _at(croniter(expression, now.timestamp()).get_prev(float))


def _at(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
