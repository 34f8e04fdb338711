"""The tasks, as procrastinate knows them. No queueing_lock: with a retry it leaves a job in `doing` for ever
(procrastinate #1446); whoever enqueues looks for a waiting job instead."""

from __future__ import annotations

import time

from procrastinate import App, JobContext

from . import drains, logs, pruning, removal, rescue, runs, sync, touched, tracing
from . import reconcile as comparison
from .outcome import Ticket
from .retry import ComesBack, PutBack
from .schedule import (
    CONTROL_PRIORITY,
    CONTROL_QUEUE,
    ONE_AT_A_TIME,
    PRODUCT_QUEUE,
    RESCUE_PRIORITY,
    crons,
)
from .services import CONTEXT_KEY, Services

# A comparison that takes longer goes on in its next life: no control task may live for RESCUE_CONTROL seconds.
COMPARISON_SECONDS = 300.0

log = logs.get(__name__)


def register(app: App, *, reconcile_cron: str = "") -> None:
    """Declare the tasks on an application, the periodic ones with their cron."""
    comes_back, backs_off = ComesBack(), ComesBack(backs_off=True)
    # A sync has done its waiting in the worker where it met the fault.
    for product_task, retry in ((sync_product, comes_back), (remove_photos, backs_off)):
        app.task(name=product_task.__name__, queue=PRODUCT_QUEUE, pass_context=True, retry=retry)(
            product_task
        )
    for task in (ximilar_sync, ximilar_retry, rescue_stalled, prune, reconcile, queue_touched):
        rescues = task is rescue_stalled
        declare = app.task(
            name=task.__name__,
            queue=CONTROL_QUEUE,
            priority=RESCUE_PRIORITY if rescues else CONTROL_PRIORITY,
            lock=task.__name__ if task.__name__ in ONE_AT_A_TIME else None,
            pass_context=True,
            # The next tick is the retry of a rescue.
            retry=False if rescues else backs_off,
        )
        app.periodic(cron=crons(reconcile_cron)[task.__name__])(declare(task))


async def ximilar_sync(
    context: JobContext, timestamp: int | None = None, drain: bool | None = None, run_id: int | None = None
) -> None:
    """Open a run over the pending products whose photos are ready; with `drain` further ones until none is left.

    A job that comes back finds in `run_id` the run that it has opened in a former life, and opens no other.
    """
    if not await _lets_pass(context, timestamp):
        await _begin(context, "sync", drain, run_id)


async def ximilar_retry(
    context: JobContext, timestamp: int | None = None, drain: bool | None = None, run_id: int | None = None
) -> None:
    """Open a run over the products that have been in error for over six hours; `drain` and `run_id` as above."""
    if not await _lets_pass(context, timestamp):
        await _begin(context, "retry", drain, run_id)


async def sync_product(
    context: JobContext,
    product_id: int,
    run_id: int | None = None,
    sent_before: float | None = None,
    repair: bool = False,
) -> str:
    """Bring one product's photos into the collection."""
    services, job = _services(context), context.job
    assert job.id is not None
    if job.lock != f"product:{product_id}":
        # Deferred by hand without its lock, two jobs of this product could run together.
        await services.database.run("enqueue_again", product_id=product_id, run_id=run_id)
        return "queued with its lock"
    ticket = Ticket(product_id, job.id, job.attempts, run_id)
    with tracing.span("sync_product", kind="consumer", product=product_id, job=job.id, run=run_id) as span:
        outcome = await sync.sync_product(services, ticket, sent_before=sent_before, repair=repair)
        span.set(outcome=outcome)
        return outcome


async def remove_photos(context: JobContext, product_id: int) -> str:
    """Take the photos of a product that has no place in the collection out of it."""
    job = context.job
    assert job.id is not None
    if job.lock != f"product:{product_id}":
        # Deferred by hand: without its lock it could meet a sync of the same product. A comparison queues it rightly.
        return "left to reconcile"
    return await removal.remove_photos(_services(context), Ticket(product_id, job.id, job.attempts))


async def reconcile(
    context: JobContext, timestamp: int | None = None, recheck: bool = False, apply: int | None = None
) -> None:
    """Compare the catalogue with the ledger and queue what makes the collection true; `recheck` only removals.

    With `apply` the held removals are queued, too, unless they are more than that many products by now.
    """
    if await _lets_pass(context, timestamp):
        return
    services = _services(context)
    until = time.monotonic() + COMPARISON_SECONDS
    kind: comparison.Kind = "recheck" if recheck else "full"
    if apply is not None:
        await _apply(context, apply, until)
    elif await comparison.go_on(services.database, services.collection, kind, until=until) is None:
        raise PutBack("unfinished")


async def queue_touched(context: JobContext, timestamp: int | None = None) -> None:
    """Queue the products that the optional trigger has noted."""
    services = _services(context)
    await touched.queue_touched(services.database, services.collection)


async def rescue_stalled(context: JobContext, timestamp: int | None = None) -> None:
    """Bring back the jobs of dead workers, end the runs that are over and go on with drains."""
    services = _services(context)
    await rescue.rescue(services)
    await runs.sweep(services.database, services.settings.run_max_seconds)
    await drains.sweep(services.database, batch_size=services.settings.batch_size)


async def prune(context: JobContext, timestamp: int | None = None) -> None:
    """Forget finished jobs, attempts, runs and what operators did, if it is old enough."""
    if await _lets_pass(context, timestamp):
        return
    services = _services(context)
    await pruning.prune(
        services.database,
        jobs_days=services.settings.keep_jobs_days,
        history_days=services.settings.keep_history_days,
    )


async def _apply(context: JobContext, most: int, until: float) -> None:
    services, cut_off = _services(context), context.job.attempts > 0
    if not services.policy.remove:
        log.error("removals_refused", at_most=most, reason="XIMILAR_REMOVE is off: nothing is removed")
        return
    applied = await comparison.go_on_applying(
        services.database, services.collection, most, until=until, cut_off=cut_off
    )
    if applied is None:
        raise PutBack("unfinished")


async def _begin(context: JobContext, kind: runs.Kind, drain: bool | None, run_id: int | None) -> None:
    database, settings = _services(context).database, _services(context).settings
    if run_id is not None:
        ended = await runs.close_if_over(database, run_id, settings.run_max_seconds)
        await drains.follow(database, ended, batch_size=settings.batch_size)
        return
    assert context.job.id is not None
    opener = runs.Opener(context.job.id, context.job.attempts)
    limits = {"batch_size": settings.batch_size, "max_seconds": settings.run_max_seconds}
    drains_now = settings.drain if drain is None else drain
    # While a drain is at work a further run of its kind is an ordinary one.
    if not drains_now or await drains.begin(database, kind, **limits, opener=opener) is None:
        await runs.begin(database, kind, **limits, opener=opener)


async def _lets_pass(context: JobContext, timestamp: int | None) -> bool:
    """Whether this is a tick of a task that an operator has paused. By hand there is no timestamp, and no pause."""
    task = context.job.task_name
    if timestamp is None or not await _services(context).database.value("is_task_paused", task=task):
        return False
    log.warning("tick_passed", task=task, tick=timestamp, reason="the task is paused")
    return True


def _services(context: JobContext) -> Services:
    services: Services = context.additional_context[CONTEXT_KEY]
    return services
