"""Decides what to send for a product where records have ids of ours: there metadata is updated, and a photo that is
sent anew is another record. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from .plan import LedgerEntry, Plan, Policy, Stray, Would, differs, outgoing
from .product import Product, photos
from .record_ids import record_id
from .ximilar.answers import Record

Fate = Literal["send", "update", "keep", "would"]


def keyed_plan(
    product: Product,
    ledger: Mapping[str, LedgerEntry],
    strays: Sequence[Stray],
    *,
    sent_before: float | None,
    allow_private: bool,
    policy: Policy,
) -> Plan:
    """Return what to do so that the collection holds what the row lists, as far as the policy allows.

    It follows the rules of `plan`. A photo that was stored by others, under an id that nobody here knows, can
    neither be updated nor taken out: to carry its row over it is sent under an id of ours.
    """
    photos_listed = photos(product, allow_private=allow_private)
    listed = len(photos_listed.urls) + len(photos_listed.refused)
    before_the_ledger = product.ximilar_status == "synced" and not ledger and not strays
    if not photos_listed.urls or (before_the_ledger and sent_before is None):
        return Plan(refused=photos_listed.refused, listed=listed, strays=strays)
    fates = {url: _fate(product, ledger.get(url), sent_before, policy) for url in photos_listed.urls}
    metadata = product.metadata()
    gone = [outgoing(entry) for url, entry in ledger.items() if url not in fates]
    would = sum(fate == "would" for fate in fates.values())
    return Plan(
        records=[
            Record(url, metadata, record_id(product.id, url, sent_before))
            for url, fate in fates.items()
            if fate == "send"
        ],
        refused=photos_listed.refused,
        listed=listed,
        updates=[
            Record(url, metadata, ledger[url].remote_id) for url, fate in fates.items() if fate == "update"
        ],
        removals=gone if policy.remove else [],
        keeps=any(url in ledger for url in fates),
        certain=policy.carry,
        strays=strays,
        would=Would(carry=would, remove=0 if policy.remove else len(gone)),
        sku=metadata.get("sku_id"),
    )


def _fate(product: Product, stored: LedgerEntry | None, sent_before: float | None, policy: Policy) -> Fate:
    if stored is None or (sent_before is not None and stored.stored_at < sent_before):
        return "send"
    if not differs(product, stored):
        return "keep"
    if stored.remote_id is None:
        return "send"
    return "update" if policy.carry else "would"
