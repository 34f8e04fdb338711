"""Commands that compare the collection with the catalogue: reconcile, verify."""

from __future__ import annotations

import argparse
from typing import Any

from .. import listing, sampling
from .. import reconcile as comparison
from ..database import Database, open_database
from ..environment import SettingsError
from ..listing import Listing
from ..reconcile import Collection, Found
from ..services import make_collection
from ..settings import WORKER, Settings
from .output import Output

LISTED = 20


async def reconcile(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Compare now, and queue what makes the collection true; or only list it, or apply held removals."""
    collection = make_collection(settings)
    async with open_database(settings.staging_db_url, max_size=2) as database:
        if arguments.apply is not None:
            return await _apply(database, collection, arguments.apply, output)
        if arguments.dry_run:
            facts = await _facts(database, collection)
            _show(facts, output)
            return 0
        ended = await comparison.run_pass(database, collection)
    facts = {
        name: value for name, value in ended.items() if name not in ("cursor", "profile", "collection_id")
    }
    if output.as_json:
        output.document(facts)
    else:
        output.line(_summary(facts))
    return 1 if ended["held"] else 0


async def verify(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Compare, also with the collection itself where it can be listed; exit code 1 if there is any drift.

    Also if nobody knows: of synced products that are not in the ledger nothing is sent, whatever becomes of them.
    """
    if arguments.sample and settings.missing(WORKER):
        raise SettingsError(" and ".join(settings.missing(WORKER)) + " must be set for --sample")
    collection = make_collection(settings)
    async with open_database(settings.staging_db_url, max_size=2) as database:
        listed = await _list(database, settings, correct=arguments.fix)
        facts = await _facts(database, collection)
        facts["untracked_products"] = await database.value("untracked_products", **collection.where)
        facts["photos_of_unknown_content"] = await database.value(
            "photos_of_unknown_content", **collection.where
        )
        if listed is not None:
            facts["collection"] = listed.facts()
            # What was corrected is drift between ledger and catalogue by now.
            facts["drift"] += listed.drift if not arguments.fix else 0
        if arguments.fix and facts["drift"]:
            ended = await comparison.run_pass(database, collection)
            facts["fix"] = {name: ended[name] for name in ("queued", "removing", "held")}
        if arguments.sample:
            facts["recall"] = await sampling.recall(database, settings, arguments.sample)
    _show(facts, output)
    untrue = facts["drift"] or facts["untracked_products"]
    return 1 if untrue or (listed is not None and (listed.drift or listed.stopped)) else 0


async def _list(database: Database, settings: Settings, *, correct: bool) -> Listing | None:
    """List the collection, unless there is no way to ask for it."""
    return None if settings.missing(WORKER) else await listing.compare(database, settings, correct=correct)


async def _apply(database: Database, collection: Collection, most: int, output: Output) -> int:
    if not collection.policy.remove:
        raise SettingsError("XIMILAR_REMOVE is off: nothing is removed")
    confirmed, applied = await comparison.apply_removals(database, collection, most)
    if output.as_json:
        output.document({"applied": applied, "products": confirmed, "at_most": most})
    elif applied:
        output.line(f"queued the removal of {confirmed} product(s)")
    else:
        output.line(f"refused: there are {confirmed} product(s) to remove by now, more than {most}")
    return 0 if applied else 1


async def _facts(database: Database, collection: Collection) -> dict[str, Any]:
    """Look without writing: counts, and what a comparison would do about them."""
    chunks, confirmed = await comparison.look(database, collection)
    counts = [chunk.counts(collection.policy) for chunk in chunks]
    totals = {name: sum(count[name] for count in counts) for name in Found([], []).counts(collection.policy)}
    held = await comparison.too_many(database, collection, confirmed)
    allowed = collection.policy.remove
    return {
        "drift": totals["changed"] + totals["absent"],
        "missing": totals["missing"],
        "stale": totals["stale"],
        "orphaned": totals["gone"] + sum(row["stored"] for chunk in chunks for row in chunk.absent),
        "changed_products": totals["changed"],
        "absent_products": totals["absent"],
        "to_repair": sum(len(chunk.repairs(collection.policy)) for chunk in chunks),
        "to_remove": confirmed if allowed and not held else 0,
        "to_hold": confirmed if allowed and held else 0,
        "would_carry": totals["would_carry"],
        "would_remove": totals["would_remove"],
        "products": [row for chunk in chunks for row in (*chunk.changed, *_only_absent(chunk))][:LISTED],
    }


def _only_absent(chunk: Found) -> list[dict[str, Any]]:
    changed = {row["product_id"] for row in chunk.changed}
    return [row for row in chunk.absent if row["product_id"] not in changed]


def _show(facts: dict[str, Any], output: Output) -> None:
    if output.as_json:
        output.document(facts)
        return
    rows = [{"what": _MEANINGS[name], "number": value} for name, value in facts.items() if name in _MEANINGS]
    output.table("Collection and catalogue", rows)
    shown = ("product_id", "absence", "stored", "missing", "gone", "stale", "strays")
    output.table(f"Products, the first {LISTED}", facts["products"], shown)
    if facts.get("untracked_products"):
        output.line(_UNTRACKED.format(facts["untracked_products"]))
    if "collection" in facts:
        found = [{"what": _OF_THE_COLLECTION[name], "number": n} for name, n in facts["collection"].items()]
        output.table("The collection itself", found)
    if "recall" in facts:
        output.table("Searched with their own photo", [facts["recall"]])
    if "fix" in facts:
        output.table("Queued", [facts["fix"]])


def _summary(facts: dict[str, Any]) -> str:
    text = (
        f"{facts['changed']} changed product(s), {facts['queued']} queued; {facts['absent']} without a place, "
        f"{facts['removing']} being removed"
    )
    if facts["held"]:
        text += f"; {facts['held']} removal(s) HELD: ximilar-sync reconcile --apply {facts['held']}"
    if facts["would_carry"] or facts["would_remove"]:
        text += f"; would carry {facts['would_carry']} and remove {facts['would_remove']}, but the settings forbid it"
    return text


_UNTRACKED = (
    "{} synced product(s) are not in the ledger: nothing of them is sent, whatever their rows say. If the collection"
    " has them, `ximilar-sync adopt` records that; if not, `ximilar-sync resend SKU` sends them."
)
_MEANINGS = {
    "missing": "photos listed by synced products and not stored",
    "stale": "photos stored with other metadata",
    "orphaned": "photos stored that no product lists",
    "changed_products": "synced products that differ",
    "absent_products": "stored products that are gone, not ready, or without photos",
    "to_repair": "products a comparison would queue",
    "to_remove": "products it would remove (missing twice)",
    "to_hold": "removals it would hold for an operator",
    "would_carry": "photos it would carry over, but the settings forbid it",
    "would_remove": "products and photos it would remove, but the settings forbid it",
    "untracked_products": "synced products that the ledger does not know",
    "photos_of_unknown_content": "photos whose content is not known to be ours",
}
_OF_THE_COLLECTION = {
    "records": "records in the collection",
    "foreign": "of these, with ids that are not ours",
    "orphaned": "that the ledger does not know",
    "altered": "with other metadata than the ledger says",
    "lost": "that only the ledger knows",
    "stopped": "why the listing ended early",
}
