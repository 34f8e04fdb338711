"""Carries a product's plan out where records have ids of ours.

New photos come in, then metadata is updated, then what is gone goes out, up to ten records a request. Every id is
written down before it is sent, so what a crash leaves behind is ended by the next job of the product.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from .database import Database
from .keyed_ledger import KeyedLedger, ids_of
from .keyed_plan import keyed_plan
from .plan import LedgerEntry, Plan, Policy, Stray, outgoing
from .product import Product
from .sending import Delivery, Errand, Push, Pushed, Sender, patiently
from .ximilar.answers import Record, Stored
from .ximilar.errors import ItemFault
from .ximilar.profile import Keyed, Profile


class KeyedUploader:
    """Sends what a plan says with one profile, whose records are `keyed`, and keeps its ledger."""

    def __init__(self, profile: Profile, keyed: Keyed, sender: Sender, database: Database) -> None:
        self.profile = profile
        self._keyed = keyed
        self._ledger = KeyedLedger(database, profile)
        self._sender = sender

    async def plan(
        self, product: Product, *, sent_before: float | None, allow_private: bool, policy: Policy
    ) -> Plan:
        """Return what to do for a product, by what the ledger knows of it and of rows that it stands in for."""
        decide = functools.partial(
            keyed_plan, product, sent_before=sent_before, allow_private=allow_private, policy=policy
        )
        entries, strays = await self._known(product)
        if any(entry.sku != product.sku for entry in entries.values()):
            await self._ledger.unsync_heirs(product.id)
        planned = decide(entries, strays)
        new = [record.url for record in planned.records if record.url not in entries]
        if new and product.sku_elsewhere and await self._ledger.inherit(product.id, product.sku, new):
            return decide(*await self._known(product))
        return planned

    async def push(self, errand: Errand, plan: Plan) -> Pushed:
        """Carry the plan out. No new call starts once something went wrong, or 20 s after the first."""
        push = Push.begin(errand)
        await self._free_ids(push, plan)
        there = await self._store(push, plan.records, {stray.remote_id for stray in plan.strays})
        await self._update(push, [*plan.updates, *(there if plan.certain else [])])
        if push.pushed.complete:
            await self._take_out(push, plan.leaving(push.pushed.answers))
        return push.pushed

    async def empty(self, errand: Errand) -> Pushed:
        """Take all photos of a product that has no place in the collection out of it, but leave its heirs theirs."""
        push = Push.begin(errand)
        push.pushed.forgotten += await self._ledger.bequeath(errand.product_id)
        await self._ledger.unsync_heirs(errand.product_id)
        entries = await self._ledger.entries(errand.product_id)
        await self._take_out(push, [outgoing(entry) for entry in entries.values()])
        return push.pushed

    async def finish(self) -> None:
        """Wait for calls whose job was cancelled: their answers still go to the ledger."""
        await self._sender.finish()

    async def _known(self, product: Product) -> tuple[dict[str, LedgerEntry], list[Stray]]:
        return await self._ledger.entries(product.id), await self._ledger.strays(product.id)

    async def _free_ids(self, push: Push, plan: Plan) -> None:
        """Delete what was stored under an id that is to be used again: its photo may be an older one."""
        stored = {stray.remote_id for stray in plan.strays if stray.stored}
        await self._delete(push, [record for record in plan.records if record.remote_id in stored])

    async def _store(self, push: Push, records: Sequence[Record], expected_before: set[str]) -> list[Record]:
        """Store photos; returns those that were there already, whose metadata may be older.

        Of one that was `expected_before` a refusal does not prove that it is not there.
        """
        errand, before = push.errand, len(push.pushed.answers)
        product_id = errand.product_id

        async def keep(batch: Sequence[Record], answers: Sequence[Stored]) -> None:
            assert errand.content_hash is not None
            stored, refused = _sorted(batch, answers)
            never = [record for record in refused if record.remote_id not in expected_before]
            kept = [answer for answer in answers if answer.fault is None]
            ledger = self._ledger
            await patiently(ledger.keep, product_id, stored, kept, errand.content_hash)
            await patiently(ledger.drop_refused, product_id, ids_of(never))
            push.pushed.answers.extend(answers)

        async def announce(batch: Sequence[Record]) -> None:
            await self._ledger.expect(product_id, ids_of(batch))

        await self._send(push, Delivery(self.profile.store, keep, announce), records)
        there = {answer.remote_id for answer in push.pushed.answers[before:] if answer.already}
        return [record for record in records if record.remote_id in there]

    async def _update(self, push: Push, records: Sequence[Record]) -> None:
        """Update metadata; what the collection has lost meanwhile is stored again."""
        missing = await self._update_known(push, records, batch=self.profile.batch)
        there = await self._store(push, missing, set(ids_of(missing)))
        # Which ones were missing may have been left open; of one alone the answer is clear.
        for record in await self._update_known(push, there, batch=1):
            fault = ItemFault("the collection has it for an insertion, not for an update")
            push.pushed.updated.append(Stored(record.url, fault=fault, remote_id=record.remote_id))

    async def _update_known(self, push: Push, records: Sequence[Record], *, batch: int) -> list[Record]:
        """Update metadata; returns the records that the collection does not have."""
        errand, missing = push.errand, list[Record]()

        async def keep(sent: Sequence[Record], answers: Sequence[Stored]) -> None:
            assert errand.content_hash is not None
            absent = {answer.remote_id for answer in answers if answer.missing}
            lost = [record for record in sent if record.remote_id in absent]
            done = [answer for answer in answers if not answer.missing and answer.fault is None]
            updated = [record for record in sent if record.remote_id in {answer.remote_id for answer in done}]
            ledger, product_id = self._ledger, errand.product_id
            await patiently(ledger.settle, product_id, updated, done, errand.content_hash)
            await patiently(ledger.withdraw, product_id, ids_of(lost), stored=False)
            missing.extend(lost)
            push.pushed.updated.extend(answer for answer in answers if not answer.missing)

        async def announce(batch: Sequence[Record]) -> None:
            await self._ledger.doubt(errand.product_id, ids_of(batch))

        await self._send(push, Delivery(self._keyed.update, keep, announce), records, batch=batch)
        return missing

    async def _take_out(self, push: Push, records: Sequence[Record]) -> None:
        """Delete records and all strays; those that were stored under ids that nobody here knows stay."""
        product_id = push.errand.product_id
        nameless = [record for record in records if record.remote_id is None]
        await self._ledger.forget_nameless(product_id, nameless)
        push.pushed.forgotten += len(nameless)
        named = [record for record in records if record.remote_id is not None]
        strays = [Record("", {}, stray.remote_id) for stray in await self._ledger.strays(product_id)]
        await self._delete(push, [*named, *strays])

    async def _delete(self, push: Push, records: Sequence[Record]) -> None:
        product_id = push.errand.product_id

        async def keep(batch: Sequence[Record], answers: Sequence[Stored]) -> None:
            deleted, _ = _sorted(batch, answers)
            await patiently(self._ledger.drop, product_id, ids_of(deleted))
            push.pushed.removed.extend(answers)

        async def announce(batch: Sequence[Record]) -> None:
            await self._ledger.withdraw(product_id, ids_of(batch))

        await self._send(push, Delivery(self.profile.remove, keep, announce), records)

    async def _send(
        self, push: Push, delivery: Delivery, records: Sequence[Record], *, batch: int | None = None
    ) -> None:
        if records and push.pushed.complete:
            await self._sender.send(push, delivery, records, batch=batch or self.profile.batch)


def _sorted(records: Sequence[Record], answers: Sequence[Stored]) -> tuple[list[Record], list[Record]]:
    """The records that were not refused, in the order of their answers, and those that were."""
    by_id = {record.remote_id: record for record in records}
    done = [by_id[answer.remote_id] for answer in answers if answer.fault is None]
    return done, [by_id[answer.remote_id] for answer in answers if answer.fault is not None]
