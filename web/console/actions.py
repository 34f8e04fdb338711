"""What an operator can do. Each returns what came of it in words, or raises Refused."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

from procrastinate_app.schedule import BY_HAND_PRIORITY, CONTROL_QUEUE, CRON, ONE_AT_A_TIME

from .audit import Refused
from .filters import ProductFilter
from .staging import Row, Staging

CHUNK = 2000
CHUNK_SECONDS = 30.0
# One request may enqueue for so long; then it says where it stopped, and a second one goes on.
BULK_SECONDS = 25.0

LEAST_RATE, MOST_RATE = 0.1, 100.0
# Without these ticks work is lost or piles up; why not, for people.
NEVER_PAUSED: Mapping[str, str] = MappingProxyType(
    {
        "rescue_stalled": "it brings back the jobs of dead workers",
        "queue_touched": "what the trigger notes would pile up",
    }
)


def retry_products(staging: Staging, chosen: ProductFilter) -> str:
    """Queue every product in error or pending that matches and has no job waiting, chunk by chunk."""
    deadline = time.monotonic() + BULK_SECONDS
    queued, above = 0, 0
    while True:
        with staging.writing(seconds=CHUNK_SECONDS) as session:
            session.run("lock_enqueueing")
            row = session.one("enqueue_matching", **chosen.parameters, above=above, limit=CHUNK)
        if row is None or row["last_id"] is None:
            return _queued(queued)
        queued, above = queued + row["products"], row["last_id"]
        if time.monotonic() > deadline:
            return f"{_queued(queued)} so far; time ran out, repeat it to go on"


def retry_product(staging: Staging, product_id: int) -> str:
    """Queue one product, whatever its state, unless a job waits already."""
    with staging.writing() as session:
        session.run("lock_enqueueing")
        if session.one("product_view", product_id=product_id) is None:
            raise Refused("the product is gone")
        if not session.value("enqueue_again", product_id=product_id, run_id=None):
            raise Refused("a job of this product is waiting already")
    return "queued 1 product"


def retry_job(staging: Staging, job_id: int) -> str:
    """Put a failed job back into the queue."""
    with staging.writing() as session:
        session.run("lock_enqueueing")
        job = session.one("lock_job", job_id=job_id)
        if job is None:
            raise Refused("the job is gone")
        if job["state"] != "failed":
            raise Refused(f"only a failed job can be retried, this one is {job['state']}")
        if job["another_waits"]:
            raise Refused("another job of the same product is waiting already")
        session.run("requeue_job", job_id=job_id)
    return f"job {job_id} is waiting again"


def cancel_job(staging: Staging, job_id: int) -> str:
    """Take a waiting job out of the queue."""
    with staging.writing() as session:
        job = session.one("lock_job", job_id=job_id)
        if job is None:
            raise Refused("the job is gone")
        if job["state"] != "todo" or session.value("cancel_job", job_id=job_id) is None:
            raise Refused(f"only a waiting job can be cancelled, this one is {job['state']}")
    return f"job {job_id} is cancelled"


def run_task(staging: Staging, task: str) -> str:
    """Run a periodic task now."""
    _demand_task(task)
    with staging.writing() as session:
        job_id = session.value(
            "run_task",
            task=task,
            queue=CONTROL_QUEUE,
            priority=BY_HAND_PRIORITY,
            lock=task if task in ONE_AT_A_TIME else None,
        )
    if job_id is None:
        raise Refused(f"a job of {task} is waiting already")
    return f"queued {task} as job {job_id}"


def apply_removals(staging: Staging, most: int, *, may_remove: bool, debounce: int) -> str:
    """Queue a job that looks again and removes what is confirmed then, if it is at most `most` products.

    `debounce` is that of the guard, in seconds.
    """
    if not may_remove:
        raise Refused("XIMILAR_REMOVE is off: nothing is removed")
    with staging.writing(seconds=CHUNK_SECONDS) as session:
        # Of two operators at once the second one sees the job of the first.
        session.run("lock_enqueueing")
        held = session.one("removals_held")
        where = {"profile": held["profile"], "collection_id": held["collection_id"]} if held else None
        confirmed = session.value("count_confirmed", debounce=debounce, **where) if where else 0
        _demand_appliable(session.one("applying_job"), confirmed, most)
        job_id = session.value("enqueue_apply", queue=CONTROL_QUEUE, priority=BY_HAND_PRIORITY, most=most)
    return f"queued as job {job_id}: it looks again, and removes at most {_products(most)}"


def pause_task(staging: Staging, task: str, who: str) -> str:
    """Let the ticks of a periodic task pass."""
    _demand_task(task)
    if task in NEVER_PAUSED:
        raise Refused(f"{task} cannot be paused: {NEVER_PAUSED[task]}")
    with staging.writing() as session:
        if not session.run("pause_task", task=task, who=who):
            raise Refused(f"{task} is paused already")
    return f"{task} is paused: its ticks pass without work until it is resumed"


def resume_task(staging: Staging, task: str) -> str:
    """Let a periodic task work at its ticks again."""
    with staging.writing() as session:
        if not session.run("resume_task", task=task):
            raise Refused(f"{task} is not paused")
    return f"{task} works at its next tick"


def set_rate(staging: Staging, rate: str) -> str:
    """Set the account's requests a second for all workers; empty: as the workers are configured."""
    value = None if not rate else _rate(rate)
    with staging.writing() as session:
        session.run("set_rate", rate=value)
    return "the rate is as configured" if value is None else f"the rate is {value:g} requests a second"


def pause_account(staging: Staging, reason: str | None) -> str:
    """Stop all requests of the workers until an operator resumes them."""
    with staging.writing() as session:
        session.run("pause_account", text=reason)
    return "the account is paused until an operator resumes it"


def resume_account(staging: Staging) -> str:
    """End a pause, whoever began it."""
    with staging.writing() as session:
        if not session.run("resume_account"):
            raise Refused("the account is not paused")
    return "the account goes on"


def _queued(count: int) -> str:
    return f"queued {_products(count)}"


def _products(count: int) -> str:
    return f"{count:,} product{'' if count == 1 else 's'}"


def _demand_appliable(job: Row | None, confirmed: int, most: int) -> None:
    if job is not None:
        raise Refused(f"job {job['id']} is to apply {job['most']:,} already")
    if confirmed == 0:
        raise Refused("nothing is to be removed")
    if confirmed > most:
        raise Refused(f"{_products(confirmed)} would be removed by now, more than {most:,}")


def _demand_task(task: str) -> None:
    if task not in CRON:
        raise Refused(f"there is no periodic task {task}")


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Refused("the rate is not a number") from None
    if not LEAST_RATE <= value <= MOST_RATE:
        raise Refused(f"the rate must be {LEAST_RATE:g} to {MOST_RATE:g} requests a second")
    return value
