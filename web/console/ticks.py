"""When periodic tasks were and will be due. All in UTC."""

from __future__ import annotations

import datetime

from croniter import croniter

from procrastinate_app.schedule import CRON


def next_tick(task: str, now: datetime.datetime) -> datetime.datetime:
    """The first tick after now."""
    return _at(croniter(CRON[task], now.timestamp()).get_next(float))


def previous_tick(task: str, now: datetime.datetime) -> datetime.datetime:
    """The last tick before now."""
    return _at(croniter(CRON[task], now.timestamp()).get_prev(float))


def _at(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
