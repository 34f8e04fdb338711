"""The tasks, as procrastinate knows them. No queueing_lock: with a retry it leaves a job in `doing` for ever
(procrastinate #1446); whoever enqueues looks for a waiting job instead."""

from __future__ import annotations

from procrastinate import App, JobContext

from . import logs, pruning, rescue, runs, sync, tracing
from .outcome import Ticket
from .retry import ComesBack
from .schedule import CONTROL_PRIORITY, CONTROL_QUEUE, CRON, PRODUCT_QUEUE, RESCUE_PRIORITY
from .services import CONTEXT_KEY, Services

log = logs.get(__name__)


def register(app: App) -> None:
    """Declare the tasks on an application, the periodic ones with their cron."""
    comes_back = ComesBack()
    app.task(name="sync_product", queue=PRODUCT_QUEUE, pass_context=True, retry=comes_back)(sync_product)
    for task in (ximilar_sync, ximilar_retry, rescue_stalled, prune):
        rescues = task is rescue_stalled
        declare = app.task(
            name=task.__name__,
            queue=CONTROL_QUEUE,
            priority=RESCUE_PRIORITY if rescues else CONTROL_PRIORITY,
            pass_context=True,
            # The next tick is the retry of a rescue.
            retry=False if rescues else comes_back,
        )
        app.periodic(cron=CRON[task.__name__])(declare(task))


async def ximilar_sync(context: JobContext, timestamp: int | None = None) -> None:
    """Open a run over the pending products whose photos are ready."""
    if not await _lets_pass(context, timestamp):
        await _begin(context, "sync")


async def ximilar_retry(context: JobContext, timestamp: int | None = None) -> None:
    """Open a run over the products that have been in error for over six hours."""
    if not await _lets_pass(context, timestamp):
        await _begin(context, "retry")


async def sync_product(
    context: JobContext, product_id: int, run_id: int | None = None, sent_before: float | None = None
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
        outcome = await sync.sync_product(services, ticket, sent_before=sent_before)
        span.set(outcome=outcome)
        return outcome


async def rescue_stalled(context: JobContext, timestamp: int | None = None) -> None:
    """Bring back the jobs of dead workers and end the runs that are over."""
    services = _services(context)
    await rescue.rescue(services)
    await runs.sweep(services.database, services.settings.run_max_seconds)


async def prune(context: JobContext, timestamp: int | None = None) -> None:
    """Forget finished jobs, attempts and runs that are old enough."""
    if await _lets_pass(context, timestamp):
        return
    services = _services(context)
    await pruning.prune(
        services.database,
        jobs_days=services.settings.keep_jobs_days,
        history_days=services.settings.keep_history_days,
    )


async def _begin(context: JobContext, kind: runs.Kind) -> None:
    settings = _services(context).settings
    await runs.begin(
        _services(context).database,
        kind,
        batch_size=settings.batch_size,
        max_seconds=settings.run_max_seconds,
    )


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
