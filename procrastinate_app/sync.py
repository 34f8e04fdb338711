"""One product's way: load, plan, push, judge, record."""

from __future__ import annotations

import asyncio
import time

from . import drains, logs, outcome, runs
from .outcome import Effort, Ticket
from .plan import Plan, Verdict, judge
from .product import Product
from .retry import PutBack, is_database_fault, put_off_seconds
from .sending import Errand, Pushed
from .services import Services
from .ximilar.errors import SystemFault, Unavailable

BUSY_SECONDS = 10.0
DATABASE_FAULT_SECONDS = 5.0

log = logs.get(__name__)


async def sync_product(
    services: Services, ticket: Ticket, *, sent_before: float | None = None, repair: bool = False
) -> str:
    """Bring the collection up to what one product's row lists and return what became of it.

    Raises PutBack when nobody's photo is at fault: the row keeps its state and the job comes back.
    """
    try:
        return await _bring(services, ticket, sent_before, repair)
    except PutBack:
        raise
    except Exception as error:
        if is_database_fault(error):
            # Keeps its place in the worker meanwhile: a broken database must not be met by every job of the queue.
            await asyncio.sleep(DATABASE_FAULT_SECONDS)
            raise
        # The job will end `failed` with a traceback in the log; this is for those who look at the product.
        bug = Verdict("failed", "bug", type(error).__name__)
        await outcome.record(services.database, ticket, None, bug, Effort())
        raise


async def _bring(services: Services, ticket: Ticket, sent_before: float | None, repair: bool) -> str:
    begun = time.monotonic()
    product = await _load(services, ticket.product_id)
    if product is None or not product.ready:
        return await _finish(services, ticket, product, _nothing_to_do(product), Effort())
    planned = await services.uploader.plan(
        product,
        sent_before=sent_before,
        allow_private=services.settings.allow_private_urls,
        policy=services.policy,
    )
    _log_forbidden(ticket, product, planned)
    pushed = await services.uploader.push(Errand(product.id, product.content_hash, repair), planned)
    effort = _effort(pushed, time.monotonic() - begun)
    if not pushed.complete:
        verdict = await _put_off(services, ticket, product, pushed, effort)
    else:
        verdict = judge(planned, [*pushed.answers, *pushed.updated, *pushed.removed])
    return await _finish(services, ticket, product, verdict, effort)


def _effort(pushed: Pushed, seconds: float) -> Effort:
    sent, updated = (
        sum(answer.fault is None for answer in answers) for answers in (pushed.answers, pushed.updated)
    )
    return Effort(sent, updated, seconds)


async def _load(services: Services, product_id: int) -> Product | None:
    row = await services.database.one("load_product", product_id=product_id)
    return None if row is None else Product(**row)


def _nothing_to_do(product: Product | None) -> Verdict:
    if product is None:
        return Verdict("gone", "gone", "the row was deleted")
    return Verdict("not_ready", "not_ready", f"image_status is {product.image_status or 'NULL'}")


async def _put_off(
    services: Services, ticket: Ticket, product: Product, pushed: Pushed, effort: Effort
) -> Verdict:
    """Write why the product was put off and raise PutBack; or return the verdict on a poisonous one."""
    if pushed.fault is None:
        if pushed.progressed:
            left = Verdict("postponed", pushed.no_slot or "unfinished")
            await outcome.record_postponed(services.database, ticket, product, left, effort, probe=False)
        # During a pause no product is fetched; but with all slots taken it would come right back.
        no_progress = not pushed.progressed and pushed.no_slot is None
        raise PutBack(pushed.no_slot or "unfinished", BUSY_SECONDS if no_progress else 0.0)
    fault = pushed.fault
    verdict = Verdict("postponed", fault.cause, fault.reason, fault.code, fault.request_id)
    faults, others_succeeded = await outcome.record_postponed(
        services.database, ticket, product, verdict, effort, probe=pushed.probe
    )
    _log_put_off(ticket, product, fault, pushed.paused)
    behind = isinstance(fault, Unavailable)
    if pushed.paused:
        raise PutBack(fault.cause, behind=behind)
    if faults >= outcome.MAX_FAULTS and others_succeeded:
        return _poison(fault, faults)
    raise PutBack(fault.cause, put_off_seconds(faults), behind=behind)


def _poison(fault: SystemFault, faults: int) -> Verdict:
    message = f"met {faults} times while other products succeeded: {fault.reason}"
    return Verdict("error", fault.cause, message, fault.code, fault.request_id)


async def _finish(
    services: Services, ticket: Ticket, product: Product | None, verdict: Verdict, effort: Effort
) -> str:
    written = await outcome.record(services.database, ticket, product, verdict, effort)
    _log_outcome(ticket, product, written, verdict, effort)
    if ticket.run_id is not None:
        settings = services.settings
        ended = await runs.close_if_over(services.database, ticket.run_id, settings.run_max_seconds)
        await drains.follow(services.database, ended, batch_size=settings.batch_size)
    return written


def _log_outcome(
    ticket: Ticket, product: Product | None, written: str, verdict: Verdict, effort: Effort
) -> None:
    facts = {
        "product_id": ticket.product_id,
        "sku": product.sku if product else None,
        "run_id": ticket.run_id,
        "job_id": ticket.job_id,
    }
    if written == "synced":
        log.info(
            "product_synced",
            **facts,
            photos=effort.photos_sent,
            updated=effort.photos_updated,
            seconds=round(effort.seconds, 3),
        )
    elif written == "error":
        log.warning(
            "product_error", **facts, reason=verdict.message, code=verdict.code, request_id=verdict.request_id
        )
    else:
        log.info("product_left", **facts, outcome=written, reason=verdict.message)


def _log_forbidden(ticket: Ticket, product: Product, planned: Plan) -> None:
    would = planned.would
    if would.carry or would.remove:
        log.info(
            "photos_left_as_they_are",
            product_id=product.id,
            sku=product.sku,
            job_id=ticket.job_id,
            would_carry=would.carry,
            would_remove=would.remove,
        )


def _log_put_off(ticket: Ticket, product: Product, fault: SystemFault, paused: bool) -> None:
    log.warning(
        "account_paused" if paused else "product_put_off",
        product_id=product.id,
        sku=product.sku,
        run_id=ticket.run_id,
        job_id=ticket.job_id,
        cause=fault.cause,
        reason=fault.reason,
        request_id=fault.request_id,
    )
