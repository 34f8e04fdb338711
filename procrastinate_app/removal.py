"""Takes a product that has no place in the collection out of it, photo by photo.

By then it was missing twice and its removal was approved; here it is looked at a last time, under its lock. What
other rows hold or list under the same SKU stays in the collection, and is theirs.
"""

from __future__ import annotations

import time

from . import logs, outcome
from .outcome import Effort, Ticket
from .plan import Verdict
from .product import Product, photos
from .retry import PutBack, put_off_seconds
from .sending import Errand, Pushed
from .services import Services
from .ximilar.errors import SystemFault

log = logs.get(__name__)


async def remove_photos(services: Services, ticket: Ticket) -> str:
    """Remove a product's photos and return what became of it: removed, kept (it is back), or error.

    Raises PutBack when nobody's photo is at fault; what was removed is written down.
    """
    begun = time.monotonic()
    if await _has_a_place(services, ticket.product_id) or not services.policy.remove:
        return await _finish(
            services, ticket, Verdict("kept", "kept", "it has a place in the collection"), Effort()
        )
    await services.database.run("unsync_product", product_id=ticket.product_id)
    pushed = await services.uploader.empty(Errand(ticket.product_id, repair=True))
    effort = Effort(seconds=time.monotonic() - begun)
    if not pushed.complete:
        await _put_off(services, ticket, pushed, effort)
    verdict = _judge(pushed)
    log.info(
        "product_removed" if verdict.outcome == "removed" else "removal_refused",
        product_id=ticket.product_id,
        job_id=ticket.job_id,
        photos=len(pushed.removed),
        left_to_others=pushed.forgotten,
        reason=verdict.message,
    )
    return await _finish(services, ticket, verdict, effort)


async def _has_a_place(services: Services, product_id: int) -> bool:
    row = await services.database.one("load_product", product_id=product_id)
    if row is None:
        return False
    product = Product(**row)
    return product.ready and bool(photos(product, allow_private=services.settings.allow_private_urls).urls)


def _judge(pushed: Pushed) -> Verdict:
    fault = next((answer.fault for answer in pushed.removed if answer.fault), None)
    if fault is None:
        return Verdict("removed")
    return Verdict("failed", fault.cause, fault.reason, fault.code, fault.request_id)


async def _put_off(services: Services, ticket: Ticket, pushed: Pushed, effort: Effort) -> None:
    """Write why the removal was put off and raise PutBack."""
    fault = pushed.fault
    verdict = _postponed(fault) if fault else Verdict("postponed", pushed.no_slot or "unfinished")
    faults, _ = await outcome.record_postponed(
        services.database, ticket, None, verdict, effort, probe=pushed.probe
    )
    waits = fault is not None and not pushed.paused
    raise PutBack(verdict.cause or "unfinished", put_off_seconds(faults) if waits else 0.0)


def _postponed(fault: SystemFault) -> Verdict:
    return Verdict("postponed", fault.cause, fault.reason, fault.code, fault.request_id)


async def _finish(services: Services, ticket: Ticket, verdict: Verdict, effort: Effort) -> str:
    """Write the attempt; the candidate is settled unless Ximilar refused: then the next pass queues it again."""
    written = await outcome.record(services.database, ticket, None, verdict, effort)
    if written in ("removed", "kept"):
        profile = services.uploader.profile
        await services.database.run(
            "settle_removal",
            product_id=ticket.product_id,
            profile=profile.name,
            collection_id=profile.collection_id,
        )
    return written
