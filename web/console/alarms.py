"""What is wrong, the worst first, from the facts of the overview. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from procrastinate_app.schedule import CRON

from . import candidates, phrases, waiting
from .ticks import cron, previous_tick

OLD_SECONDS = 3600.0
TICK_GRACE = datetime.timedelta(minutes=5)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alarm:
    """`tone` is bad or warn, `link` where to go."""

    text: str
    tone: str
    link: str


def alarms(
    *,
    throttle: Row | None,
    workers: list[Row] | None,
    queue: Row | None,
    stuck: int | None,
    schedule: list[Row] | None,
    last_run: Row | None,
    now: datetime.datetime,
    removals: Row | None = None,
) -> list[Alarm]:
    """Return the alarms. A fact that is None could not be learnt and alarms nobody."""
    found = [
        *_account(throttle, now),
        *_workers(workers, queue),
        *_queue(queue, stuck, throttle, now),
        *_schedule(schedule or [], now),
        *_last_run(last_run, now),
        *_removals(removals, now),
    ]
    return sorted(found, key=lambda alarm: alarm.tone != "bad")


def _account(throttle: Row | None, now: datetime.datetime) -> list[Alarm]:
    if not throttle or not throttle["paused"]:
        return []
    lasting = (
        f" for {phrases.duration(_seconds(throttle['paused_at'], now))}" if throttle["paused_at"] else ""
    )
    return [Alarm(f"The account has been paused{lasting}: {waiting.pause(throttle, now)}", "bad", "/rate")]


def _workers(workers: list[Row] | None, queue: Row | None) -> list[Alarm]:
    if workers is None:
        return []
    silent = [worker for worker in workers if not worker["alive"]]
    if len(silent) < len(workers):
        return [
            Alarm(f"{_name(row)} has not beaten for {_silence(row)}.", "warn", "/#workers")
            for row in silent[:3]
        ]
    waits = f" {queue['waiting']:,} jobs wait." if queue and queue["waiting"] else ""
    last = f" {_name(silent[0])} fell silent {_silence(silent[0])} ago." if silent else ""
    return [Alarm(f"No worker is alive.{last}{waits}", "bad", "/#workers")]


def _queue(queue: Row | None, stuck: int | None, throttle: Row | None, now: datetime.datetime) -> list[Alarm]:
    found = []
    if stuck:
        said = "1 job is" if stuck == 1 else f"{stuck:,} jobs are"
        found.append(
            Alarm(
                f"{said} running for longer than any may, or without a living worker.",
                "warn",
                "/jobs?state=doing",
            )
        )
    oldest = queue["oldest"] if queue else None
    paused = bool(throttle and throttle["paused"])
    if oldest and not paused and (now - oldest).total_seconds() > OLD_SECONDS:
        found.append(
            Alarm(
                f"The oldest waiting product was queued {phrases.ago(oldest, now)}.",
                "warn",
                "/jobs?state=todo",
            )
        )
    return found


def _schedule(schedule: list[Row], now: datetime.datetime) -> list[Alarm]:
    found = []
    for row in schedule:
        if row["paused_at"]:
            found.append(Alarm(f"{row['task']} is paused by {row['paused_by']}.", "warn", "/schedule"))
        elif (
            row["task"] in CRON
            and row["last_tick"]
            and row["last_tick"] < previous_tick(cron(row["task"], row), now) - TICK_GRACE
        ):
            said = (
                f"{row['task']} misses its ticks: the last it took was {phrases.ago(row['last_tick'], now)}."
            )
            found.append(Alarm(said, "warn", "/schedule"))
    return found


def _last_run(run: Row | None, now: datetime.datetime) -> list[Alarm]:
    if not run or run["status"] == "success":
        return []
    said = f"Run {run['id']} ended {phrases.ago(run['completed_at'], now)} as {run['status']}"
    counts = f": {run['synced']:,} of {run['fetched']:,} synced, {run['errors']:,} in error."
    return [Alarm(said + counts, "bad" if run["status"] == "error" else "warn", f"/runs/{run['id']}")]


def _removals(removals: Row | None, now: datetime.datetime) -> list[Alarm]:
    if not removals or not removals["held"]:
        return []
    return [Alarm(f"{candidates.held_since(removals, now)} An operator has to look.", "warn", "/removals")]


def _name(worker: Row) -> str:
    return f"Worker {worker['host']} ({worker['pid']})"


def _silence(worker: Row) -> str:
    return phrases.duration(worker["silent_seconds"])


def _seconds(since: datetime.datetime, now: datetime.datetime) -> float:
    return (now - since).total_seconds()
