"""Writes what became of a product: the row, the attempt, its place in the run. All or nothing, and only by the
job that still holds the product."""

from __future__ import annotations

from dataclasses import dataclass

from .database import Database, Session
from .plan import Verdict
from .product import Product

FAULTS_OF_A_PRODUCT = ("not_sent", "no_answer", "timed_out", "server_fault", "nonsense")
MAX_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which job is at work on which product, for which run (None: by hand). `attempt` tells two lives of a job."""

    product_id: int
    job_id: int
    attempt: int
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """What a job did before its verdict: photos stored, photos whose metadata was updated, and seconds taken."""

    photos_sent: int = 0
    photos_updated: int = 0
    seconds: float = 0.0


async def record(
    database: Database, ticket: Ticket, product: Product | None, verdict: Verdict, effort: Effort
) -> str:
    """Write a final verdict and return the outcome that was written.

    `late` if another job has taken over: nothing but the attempt is written. `moved` if the row was edited
    meanwhile: it keeps its state and is queued again. `gone` if it was deleted.
    """
    async with database.transaction() as tx:
        if not await tx.one(
            "holds_job", job_id=ticket.job_id, job_attempt=ticket.attempt, product_id=ticket.product_id
        ):
            verdict = Verdict("late", "late", f"job {ticket.job_id} was taken over")
        elif product is not None:
            verdict = await _write_row(tx, ticket, product, verdict, effort)
        await _write_attempt(tx, ticket, product, verdict, effort)
        if ticket.run_id is not None and verdict.outcome not in ("late", "moved"):
            await tx.run(
                "settle_product",
                run_id=ticket.run_id,
                product_id=ticket.product_id,
                outcome=verdict.outcome,
            )
    return verdict.outcome


async def record_postponed(
    database: Database,
    ticket: Ticket,
    product: Product | None,
    verdict: Verdict,
    effort: Effort,
    *,
    probe: bool,
) -> tuple[int, bool]:
    """Write that a product was put off; its row keeps its state.

    Returns how often this job met faults that may be the product's own, and whether other calls succeeded since
    the first.
    """
    async with database.transaction() as tx:
        await _write_attempt(tx, ticket, product, verdict, effort, probe=probe)
        row = await tx.one("faults_of_job", job_id=ticket.job_id, causes=list(FAULTS_OF_A_PRODUCT))
    assert row is not None
    return row["faults"], row["others_succeeded"]


async def _write_row(
    tx: Session, ticket: Ticket, product: Product, verdict: Verdict, effort: Effort
) -> Verdict:
    present = await tx.one("lock_product", product_id=product.id)
    if present is None:
        return Verdict("gone", "gone", "the row was deleted while its job ran")
    if present["fingerprint"] != product.fingerprint:
        await tx.run("lock_enqueueing")
        await tx.run("enqueue_again", product_id=product.id, run_id=ticket.run_id)
        return Verdict("moved", "moved", "the row was edited while its job ran; queued again")
    as_it_was = product.ximilar_status == "synced" and not (effort.photos_sent or effort.photos_updated)
    if verdict.outcome == "synced" and not as_it_was:
        await tx.run("mark_synced", product_id=product.id)
    elif verdict.outcome == "error":
        await tx.run("mark_error", product_id=product.id, reason=verdict.message)
    return verdict


async def _write_attempt(
    tx: Session,
    ticket: Ticket,
    product: Product | None,
    verdict: Verdict,
    effort: Effort,
    *,
    probe: bool = False,
) -> None:
    await tx.run(
        "record_attempt",
        product_id=ticket.product_id,
        sku=product.sku if product else None,
        run_id=ticket.run_id,
        job_id=ticket.job_id,
        job_attempt=ticket.attempt,
        outcome=verdict.outcome,
        cause=verdict.cause,
        code=verdict.code,
        message=verdict.message,
        request_id=verdict.request_id,
        photos_sent=effort.photos_sent,
        seconds=effort.seconds,
        probe=probe,
        fingerprint=product.fingerprint if product else None,
    )
