"""Brings jobs back whose worker died or lost them. procrastinate leaves that to its users.

A job is nobody's when its worker is gone, silent or known to be dead, or when it is older than any job may be
(its acknowledgement was lost). A product that sees its worker die again and again is taken for the cause; ten
times, since the innocent ones beside it see it as well.
"""

from __future__ import annotations

from . import deadlines, logs, presence
from .database import Row, Session
from .process import is_dead, this_process
from .services import Services

MAX_RESCUES = 10

log = logs.get(__name__)


async def rescue(services: Services) -> int:
    """Requeue every stalled job and return how many there were."""
    database = services.database
    dead = await _dead_neighbours(services)
    silent = await _silence_that_counts(services)
    async with database.transaction() as tx:
        stalled = await tx.all(
            "stalled_jobs",
            silent=silent,
            dead=[row["queue_worker"] for row in dead if row["queue_worker"] is not None],
            product_seconds=deadlines.RESCUE_PRODUCT,
            control_seconds=deadlines.RESCUE_CONTROL,
        )
        for job in stalled:
            await _rescue_one(tx, job)
        for row in dead:
            await tx.run("unregister_worker", id=row["id"])
    return len(stalled)


async def _dead_neighbours(services: Services) -> list[Row]:
    """Workers registered on this machine that have ended, with their process or before it: no need to wait for their
    silence."""
    host = this_process().host
    rows = await services.database.all("workers_here", host=host, id=services.worker_id)
    return [row for row in rows if presence.has_ended(row["id"]) or is_dead(row["process"])]


async def _silence_that_counts(services: Services) -> float:
    """Seconds of silence that make a worker dead: after an outage of the database everybody was silent."""
    steady = await services.database.value("steady_since", id=services.worker_id)
    return deadlines.SILENT if steady is not None and steady > deadlines.SILENT else 86400.0


async def _rescue_one(tx: Session, job: Row) -> None:
    if job["product_id"] is None:
        await tx.run("requeue_job", job_id=job["id"])
        log.warning("job_rescued", job_id=job["id"], task=job["task_name"])
        return
    rescues = 1 + await tx.value("rescues_of_job", job_id=job["id"])
    hopeless = rescues >= MAX_RESCUES
    await _record(tx, job, rescues)
    if hopeless:
        reason = f"its worker died {rescues} times while at work on it"
        await tx.run("give_up_job", job_id=job["id"])
        await tx.run("mark_error", product_id=job["product_id"], reason=reason)
        await tx.run("settle_product", run_id=job["run_id"], product_id=job["product_id"], outcome="error")
    else:
        await tx.run("requeue_job", job_id=job["id"])
    log.warning(
        "job_rescued", job_id=job["id"], product_id=job["product_id"], rescues=rescues, hopeless=hopeless
    )


async def _record(tx: Session, job: Row, rescues: int) -> None:
    await tx.run(
        "record_attempt",
        product_id=job["product_id"],
        sku=None,
        run_id=job["run_id"],
        job_id=job["id"],
        job_attempt=job["attempts"],
        outcome="rescued",
        cause="worker_died",
        code=None,
        message=f"rescued for the {rescues}. time",
        request_id=None,
        photos_sent=0,
        seconds=None,
        probe=False,
        fingerprint=None,
    )
