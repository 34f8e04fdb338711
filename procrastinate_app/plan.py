"""Decides what to send for a product, and what the answers mean for its row. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from .product import Product, photos
from .ximilar.answers import Record, Stored

REASON_LIMIT = 500
# Equals the hash of no content: what was sent last may or may not have arrived.
UNSURE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A photo the collection holds, stored under `sku`. `content_hash` is None where it is not known to be ours.

    With UNSURE the collection may hold it, with any content: it is sent if it is listed, and taken out if it is not.
    `remote_id` is the record's, where records have ids of ours.
    """

    url: str
    content_hash: UUID | None
    stored_at: float
    sku: str | None = None
    remote_id: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> LedgerEntry:
        """Return the entry that a row of the ledger is."""
        return cls(**{name: row[name] for name in ("url", "content_hash", "stored_at", "sku", "remote_id")})


@dataclass(frozen=True, slots=True)
class Stray:
    """A record that the collection may hold and the ledger does not; `stored`: it did once."""

    remote_id: str
    stored: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done beside adding photos: take photos out, and carry changed metadata over.

    Where the API cannot update a record, carrying over is a removal and a new insertion: `carry` implies both there.
    """

    remove: bool = False
    carry: bool = False


ADD_ONLY = Policy()


@dataclass(frozen=True, slots=True)
class Replacement:
    """A photo that is taken out as it was stored, and stored again as it is now."""

    outgoing: Record
    incoming: Record


@dataclass(frozen=True, slots=True)
class Would:
    """What a plan leaves undone because the policy forbids it, in photos."""

    carry: int = 0
    remove: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: store `records`, carry out `replacements` one at a time, update, take `removals` out.

    So that a product of several photos is never without one: if none of its photos is stored, `leaving` are only those
    removals that are of another SKU than its `sku`. `refused` are addresses with the reason, `listed`
    photos in all, `keeps` says that a listed photo is stored already and stays, `certain` that a new photo which
    proves to be there already is replaced (or updated), since its content may be anybody's.
    `strays` go out with the removals, whatever the policy is: they are no photos of the product's any more.
    """

    records: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    listed: int = 0
    replacements: list[Replacement] = field(default_factory=list)
    updates: list[Record] = field(default_factory=list)
    removals: list[Record] = field(default_factory=list)
    keeps: bool = False
    certain: bool = False
    strays: Sequence[Stray] = ()
    would: Would = field(default_factory=Would)
    sku: str | None = None

    def leaving(self, answers: Sequence[Stored]) -> list[Record]:
        """Return the removals to carry out once new photos had these answers."""
        if self.keeps or any(answer.fault is None for answer in answers):
            return self.removals
        return [record for record in self.removals if record.metadata.get("sku_id") != self.sku]


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
    policy: Policy = ADD_ONLY,
) -> Plan:
    """Return what to do so that the collection holds what the row lists, as far as the policy allows.

    A photo is sent unless the ledger has it with equal content; `sent_before` (seconds since the epoch, from
    `resend`) sends also what was stored before that moment. Unknown content counts as equal for a row that is
    `synced`, as different for others. A `synced` row without a ledger was synced before there was one: nothing
    is done. Without a single valid address nothing is taken out either: that is for `remove_photos`.
    """
    photos_listed = photos(product, allow_private=allow_private)
    listed = len(photos_listed.urls) + len(photos_listed.refused)
    if not photos_listed.urls or _before_the_ledger(product, ledger, sent_before):
        return Plan(refused=photos_listed.refused, listed=listed)
    sorted_urls = _sort(product, ledger, photos_listed.urls, sent_before, policy)
    metadata = product.metadata()
    gone = [outgoing(entry) for url, entry in ledger.items() if url not in set(photos_listed.urls)]
    return Plan(
        records=[Record(url, metadata) for url in sorted_urls["send"]],
        refused=photos_listed.refused,
        listed=listed,
        replacements=[
            Replacement(outgoing(ledger[url]), Record(url, metadata)) for url in sorted_urls["replace"]
        ],
        removals=gone if policy.remove else [],
        keeps=bool(sorted_urls["keep"] or sorted_urls["would"]),
        certain=policy.carry,
        would=Would(carry=len(sorted_urls["would"]), remove=0 if policy.remove else len(gone)),
        sku=metadata.get("sku_id"),
    )


def outgoing(entry: LedgerEntry) -> Record:
    """What to ask Ximilar to remove: the photo as the ledger knows it."""
    return Record(entry.url, {} if entry.sku is None else {"sku_id": entry.sku}, entry.remote_id)


def judge(plan: Plan, answers: Sequence[Stored]) -> Verdict:
    """Return the verdict once every photo of the plan has its answer; `answers` are of all its calls."""
    faults = [answer for answer in answers if answer.fault is not None]
    if not faults and not plan.refused:
        return Verdict("synced") if plan.listed else Verdict("error", "no_photos", "no photos")
    if plan.listed == len(plan.refused):
        return Verdict("error", "no_photos", _cut("no photos: " + "; ".join(plan.refused)))
    return _refusal(plan, faults)


Fate = Literal["send", "replace", "keep", "would"]


def _sort(
    product: Product,
    ledger: Mapping[str, LedgerEntry],
    urls: Sequence[str],
    sent_before: float | None,
    policy: Policy,
) -> dict[Fate, list[str]]:
    fates: dict[Fate, list[str]] = {"send": [], "replace": [], "keep": [], "would": []}
    for url in urls:
        fates[_fate(product, ledger.get(url), sent_before, policy)].append(url)
    return fates


def _fate(product: Product, stored: LedgerEntry | None, sent_before: float | None, policy: Policy) -> Fate:
    if stored is None:
        return "send"
    if stored.content_hash == UNSURE:
        # Under another SKU it would be another record, and the one that may be there would be nobody's.
        return "replace" if policy.carry and _under_another_sku(product, stored) else "send"
    resent = sent_before is not None and stored.stored_at < sent_before
    if not resent and not differs(product, stored):
        return "keep"
    if policy.carry:
        return "replace"
    # Without leave to replace, a row that is to be synced is sent as the old servers did.
    return "send" if resent or product.ximilar_status != "synced" else "would"


def _under_another_sku(product: Product, stored: LedgerEntry) -> bool:
    return stored.sku != product.metadata().get("sku_id")


def differs(product: Product, stored: LedgerEntry) -> bool:
    if stored.content_hash is None:
        return product.ximilar_status != "synced"
    return stored.content_hash != product.content_hash


def _before_the_ledger(
    product: Product, ledger: Mapping[str, LedgerEntry], sent_before: float | None
) -> bool:
    return product.ximilar_status == "synced" and not ledger and sent_before is None


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
