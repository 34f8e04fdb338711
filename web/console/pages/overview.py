"""The first page: what is wrong, what is going on, what comes next."""

from __future__ import annotations

import datetime
from typing import Any

import falcon

from procrastinate_app import deadlines
from procrastinate_app.schedule import CRON

from .. import charts
from ..alarms import alarms
from ..desk import Desk, ask, now
from ..staging import Row, Session, TooSlow
from ..ticks import cron, next_tick

WAITING_CAP = 100_001
COUNT_SECONDS = 3.0
STATES = ("synced", "pending", "error")


class OverviewResource:
    """GET /"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        at = now()
        products = count_products(self._desk)
        month = self._month(at)
        with self._desk.staging.reading() as session:
            facts = _facts(session, at)
            runs = [self._progress(session, run) for run in facts["runs"] or ()]
        told = {
            name: facts[name] for name in ("throttle", "workers", "queue", "stuck", "schedule", "last_run")
        }
        removals = facts["removals"] if self._desk.settings.may_remove else None
        self._desk.page(
            req,
            resp,
            "overview.html",
            **{**facts, "runs": runs},
            products=products,
            cap=WAITING_CAP,
            alarms=alarms(**told, removals=removals, now=at),
            day=None if facts["hours"] is None else charts.by_hour(facts["hours"], at),
            month=None if month is None else charts.by_day(month, at),
            next_ticks=next_ticks(facts["schedule"], at),
            configured_rate=self._desk.settings.rate_limit,
        )

    def _month(self, at: datetime.datetime) -> list[Row] | None:
        since = (at - datetime.timedelta(days=29)).replace(hour=0, minute=0, second=0, microsecond=0)

        def question() -> list[Row]:
            with self._desk.staging.reading() as session:
                return session.all("hours", since=since)

        try:
            return self._desk.month.get(question)
        except TooSlow:
            return None

    def _progress(self, session: Session, run: Row) -> Row:
        pace = ask(session, lambda: session.one("run_pace", run_id=run["id"]))
        return progress(run, pace, self._desk.settings.credits_per_photo)


def _facts(session: Session, at: datetime.datetime) -> dict[str, Any]:
    since = at.replace(minute=0, second=0, microsecond=0) - datetime.timedelta(hours=23)
    return {
        "throttle": ask(session, lambda: session.one("throttle_view")),
        "workers": ask(session, lambda: session.all("workers_view")),
        "queue": ask(session, lambda: session.one("queue_now", cap=WAITING_CAP)),
        "stuck": ask(session, lambda: session.value("stuck_jobs", seconds=deadlines.RESCUE_PRODUCT)),
        "schedule": ask(session, lambda: session.all("schedule_view")),
        "last_run": ask(session, lambda: session.one("last_run_view")),
        "removals": ask(session, lambda: session.one("removals_held")),
        "runs": ask(session, lambda: session.all("open_run_views")),
        "pace": ask(session, lambda: session.one("recent_throughput")),
        "hours": ask(session, lambda: session.all("hours", since=since)),
    }


def count_products(desk: Desk) -> Row:
    """Products by state, the known states first; `estimate` alone where counting takes too long."""

    def question() -> Row:
        with desk.staging.reading(seconds=COUNT_SECONDS) as session:
            rows = ask(session, lambda: session.all("count_products"))
            if rows is None:
                return {"states": None, "total": None, "estimate": session.value("estimate_products")}
        counted = {row["state"]: row["products"] for row in rows}
        states = {**{state: counted.pop(state, 0) for state in STATES}, **counted}
        return {"states": states, "total": sum(states.values()), "estimate": None}

    return desk.product_counts.get(question)


def progress(run: Row, pace: Row | None, credits_per_photo: float) -> Row:
    """A run with its rate (products a second, of the last two minutes), time left in seconds, and cost."""
    done = run["fetched"] - run["remaining"]
    elapsed = max(1.0, min(run["seconds"], 120.0))
    rate = pace["recent"] / elapsed if pace else None
    left = run["remaining"] / rate if rate and run["completed_at"] is None else None
    photos = pace["photos"] if pace else None
    expected = photos * run["fetched"] / done if photos and done else None
    cost = {"photos": photos, "credits": photos and photos * credits_per_photo}
    return {
        **run,
        **cost,
        "done": done,
        "rate": rate,
        "left": left,
        "expected_credits": expected and expected * credits_per_photo,
    }


def next_ticks(schedule: list[Row] | None, at: datetime.datetime) -> dict[str, datetime.datetime | None]:
    """{task: its next tick}, None for one that is paused; the soonest first."""
    rows = {row["task"]: row for row in schedule or ()}
    paused = {task for task, row in rows.items() if row["paused_at"]}
    due = {task: None if task in paused else next_tick(cron(task, rows.get(task)), at) for task in CRON}
    return dict(
        sorted(due.items(), key=lambda item: item[1] or datetime.datetime.max.replace(tzinfo=datetime.UTC))
    )
