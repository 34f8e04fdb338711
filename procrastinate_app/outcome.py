"""Writes what became of a product: the row, the attempt, its place in the run. All or nothing, and only by the
job that still holds the product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .database import Database
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
    written: str = await database.value(
        "record_outcome",
        mark=_changes_row(product, verdict, effort),
        **_facts(ticket, product, verdict, effort),
    )
    return written


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
        await tx.run("record_attempt", probe=probe, **_facts(ticket, product, verdict, effort))
        row = await tx.one("faults_of_job", job_id=ticket.job_id, causes=list(FAULTS_OF_A_PRODUCT))
    assert row is not None
    return row["faults"], row["others_succeeded"]


def _changes_row(product: Product | None, verdict: Verdict, effort: Effort) -> bool:
    if product is None or verdict.outcome not in ("synced", "error"):
        return False
    as_it_was = product.ximilar_status == "synced" and not (effort.photos_sent or effort.photos_updated)
    return verdict.outcome == "error" or not as_it_was


def _facts(ticket: Ticket, product: Product | None, verdict: Verdict, effort: Effort) -> dict[str, Any]:
    """What an attempt says."""
    return {
        "product_id": ticket.product_id,
        "sku": product.sku if product else None,
        "run_id": ticket.run_id,
        "job_id": ticket.job_id,
        "job_attempt": ticket.attempt,
        "outcome": verdict.outcome,
        "cause": verdict.cause,
        "code": verdict.code,
        "message": verdict.message,
        "request_id": verdict.request_id,
        "photos_sent": effort.photos_sent,
        "seconds": effort.seconds,
        "fingerprint": product.fingerprint if product else None,
    }
