"""Why a product or a job is waiting, in words: the first reason that holds. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from . import phrases

Row = dict[str, Any]
WAITING = "Why is it waiting?"
READY = ("uploaded", "collage_ready")


@dataclass(frozen=True, slots=True)
class Reason:
    """`tone` is how bad it is (calm, warn, bad), `link` where one may do something about it."""

    text: str
    tone: str = "calm"
    link: str = ""
    question: str = WAITING


def job_waits(job: Row, throttle: Row, workers: int, cap: int, now: datetime.datetime) -> Reason | None:
    """Why a job (waiting_facts) is not done yet; None if it is over."""
    if job["state"] == "doing":
        where = f" on {job['worker']}" if job["worker"] else ""
        since = f", since {phrases.ago(job['started_at'], now)}" if job["started_at"] else ""
        return Reason(f"It is running{where}{since}.")
    if job["state"] != "todo":
        return None
    if job["holder"] is not None:
        what = "product" if job["queue"] == "products" else "task"
        text = f"It is behind job {job['holder']}, which holds the same {what}: two never run at once."
        return Reason(text, link=f"/jobs/{job['holder']}")
    if job["queue"] == "products" and throttle["paused"]:
        return Reason(f"The account is paused: {pause(throttle, now)}", "bad", "/rate")
    if job["later"] is not None:
        return Reason(f"It was put off and is due {phrases.ago(job['later'], now)}.", "warn")
    if workers == 0:
        return Reason("No worker is alive to take it.", "bad", "/")
    if job["ahead"] == 0:
        return Reason("It is next: a worker takes it as soon as one is free.")
    ahead = phrases.capped(job["ahead"], cap)
    return Reason(f"It waits its turn, with {ahead} job{'s' if job['ahead'] != 1 else ''} before it.")


def product_waits(
    product: Row, now: datetime.datetime, next_ticks: dict[str, datetime.datetime | None]
) -> Reason | None:
    """Why a product without a job is where it is; None if it is synced."""
    if product["state"] == "synced":
        return None
    if product["image_status"] not in READY:
        return Reason(
            f"Its photos are not ready: image_status is {product['image_status'] or 'NULL'}.", "warn"
        )
    if product["state"] == "pending":
        return _no_job("The next sync takes it", next_ticks["ximilar_sync"], now)
    if product["state"] == "error":
        what = "The daily retry takes it once it has been in error for six hours"
        return _no_job(what, next_ticks["ximilar_retry"], now, "What comes next?")
    return Reason(f"Its state is {product['state'] or 'NULL'}, which no task selects.", "warn")


def pause(throttle: Row, now: datetime.datetime) -> str:
    """A pause in words: cause, what Ximilar said, and until when."""
    said = phrases.cause(" ".join(str(part) for part in (throttle["cause"], throttle["code"]) if part))
    text = f", “{throttle['text']}”" if throttle["text"] else ""
    if throttle["paused_until"] is None:
        return f"{said}{text}; until an operator resumes it."
    if throttle["paused_until"] <= now:
        return f"{said}{text}; the next request tries whether it is over."
    return f"{said}{text}; tried again {phrases.ago(throttle['paused_until'], now)}."


def _no_job(
    what: str, tick: datetime.datetime | None, now: datetime.datetime, question: str = WAITING
) -> Reason:
    when = f": {phrases.ago(tick, now)}, {phrases.moment(tick)}" if tick else ", but that task is paused"
    return Reason(
        f"No job is queued for it. {what}{when}.", "calm" if tick else "warn", "/schedule", question
    )
