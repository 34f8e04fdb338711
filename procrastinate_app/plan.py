"""Decides what to send for a product, and what the answers mean for its row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from .product import Product, photos
from .ximilar.answers import Record, Stored

REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A photo the collection holds. `content_hash` is None where it was stored before there was a ledger."""

    url: str
    content_hash: UUID | None
    stored_at: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`records` to send in order, `refused` addresses with the reason, `listed` photos in all."""

    records: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row: `outcome` (synced, error, not_ready, gone, ...), and for an error why.

    `cause` is a constant word, `message` the line an operator reads.
    """

    outcome: str
    cause: str | None = None
    message: str | None = None
    code: int | None = None
    request_id: str | None = None


def plan(
    product: Product,
    ledger: Mapping[str, LedgerEntry],
    *,
    sent_before: float | None = None,
    allow_private: bool = False,
) -> Plan:
    """Return which photos to send.

    A photo is sent unless the ledger has it with equal content; `sent_before` (seconds since the epoch, from
    `resend`) sends also what was stored before that moment. A row that is `synced` already sends only photos
    the ledger does not know, and nothing while the ledger knows none: it was synced before there was a ledger.
    """
    listed = photos(product, allow_private=allow_private)
    metadata = product.metadata()
    records = [Record(url, metadata) for url in listed.urls if _to_send(product, ledger, url, sent_before)]
    return Plan(records, listed.refused, len(listed.urls) + len(listed.refused))


def judge(plan: Plan, answers: Sequence[Stored]) -> Verdict:
    """Return the verdict once every record of the plan has its answer."""
    faults = [answer for answer in answers if answer.fault is not None]
    if not faults and not plan.refused:
        return Verdict("synced") if plan.listed else Verdict("error", "no_photos", "no photos")
    if plan.listed == len(plan.refused):
        return Verdict("error", "no_photos", _cut("no photos: " + "; ".join(plan.refused)))
    return _refusal(plan, faults)


def _to_send(
    product: Product, ledger: Mapping[str, LedgerEntry], url: str, sent_before: float | None
) -> bool:
    stored = ledger.get(url)
    if sent_before is not None and (stored is None or stored.stored_at < sent_before):
        return True
    if product.ximilar_status == "synced":
        return bool(ledger) and stored is None
    return stored is None or stored.content_hash != product.content_hash


def _refusal(plan: Plan, faults: Sequence[Stored]) -> Verdict:
    reasons = [f"{answer.url}: {answer.fault.reason}" for answer in faults if answer.fault]
    first = faults[0].fault if faults else None
    return Verdict(
        "error",
        first.cause if first else "address_refused",
        _cut("; ".join([*reasons, *plan.refused])),
        first.code if first else None,
        first.request_id if first else None,
    )


def _cut(reason: str) -> str:
    return reason if len(reason) <= REASON_LIMIT else reason[: REASON_LIMIT - 3] + "..."
