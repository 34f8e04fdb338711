"""Carries a product's plan out where a record is known by its address and SKU alone, and has no id.

There a photo is changed by taking it out and storing it again, and products of one SKU may share it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from .database import Database, Row
from .ledger import SharedLedger
from .plan import Plan, Policy, Replacement, outgoing, plan
from .product import Product
from .sending import Delivery, Errand, Push, Pushed, Sender, patiently
from .ximilar.answers import Record, Stored
from .ximilar.profile import Profile


class Uploader:
    """Sends what a plan says with one profile, and keeps its ledger."""

    def __init__(self, profile: Profile, sender: Sender, database: Database) -> None:
        self.profile = profile
        self._ledger = SharedLedger(database, profile)
        self._sender = sender

    async def plan(
        self, product: Product, *, sent_before: float | None, allow_private: bool, policy: Policy
    ) -> Plan:
        """Return what to do for a product, by what the ledger knows of it and of rows that it stands in for."""
        decide = functools.partial(
            plan, product, sent_before=sent_before, allow_private=allow_private, policy=policy
        )
        entries = await self._ledger.entries(product.id)
        if any(entry.sku != product.sku for entry in entries.values()):
            await self._ledger.unsync_heirs(product.id)
        planned = decide(entries)
        new = [record.url for record in planned.records if record.url not in entries]
        if new and product.sku_elsewhere and await self._ledger.inherit(product.id, product.sku, new):
            return decide(await self._ledger.entries(product.id))
        return planned

    async def push(self, errand: Errand, plan: Plan) -> Pushed:
        """Carry the plan out. No new call starts once something went wrong, or 20 s after the first."""
        push = Push.begin(errand)
        again = await self._store_new(push, plan)
        await self._replace(push, [*plan.replacements, *again])
        if push.pushed.complete:
            await self._take_out(push, plan.leaving(push.pushed.answers))
        return push.pushed

    async def empty(self, errand: Errand) -> Pushed:
        """Take all photos of a product that has no place in the collection out of it, but leave others theirs."""
        push = Push.begin(errand)
        push.pushed.forgotten += await self._ledger.hand_over(errand.product_id)
        await self._ledger.unsync_heirs(errand.product_id)
        entries = await self._ledger.entries(errand.product_id)
        await self._take_out(push, [outgoing(entry) for entry in entries.values()])
        return push.pushed

    async def finish(self) -> None:
        """Wait for calls whose job was cancelled: their answers still go to the ledger."""
        await self._sender.finish()

    async def _store_new(self, push: Push, plan: Plan) -> list[Replacement]:
        """Store the new photos; returns those that were there already and are to be replaced to be certain."""
        await self._store(push, plan.records, announced=plan.certain, keep_already=not plan.certain)
        if not plan.certain:
            return []
        errand, pushed = push.errand, push.pushed
        there = {answer.url: answer for answer in pushed.answers if answer.already}
        pushed.answers = [answer for answer in pushed.answers if not answer.already]
        again = []
        for record in plan.records:
            if record.url not in there:
                continue
            assert errand.content_hash is not None
            if await self._ledger.share(errand.product_id, record, errand.content_hash):
                pushed.answers.append(there[record.url])
            else:
                again.append(Replacement(record, record))
        return again

    async def _replace(self, push: Push, replacements: Sequence[Replacement]) -> None:
        """One at a time, and none after one that was refused: the others stay searchable as they are."""
        pushed = push.pushed
        for replacement in replacements:
            before = pushed.refusals
            if replacement.outgoing.metadata.get("sku_id") == replacement.incoming.metadata.get("sku_id"):
                await self._remove(push, replacement.outgoing)
            else:
                await self._take_out(push, [replacement.outgoing])
            if pushed.complete and pushed.refusals == before:
                await self._store(push, [replacement.incoming], announced=True)
            if not pushed.complete or pushed.refusals > before:
                return

    async def _take_out(self, push: Push, records: Sequence[Record]) -> None:
        """Remove photos, but leave those to other products that hold the same ones."""
        for record in records:
            if not push.pushed.complete:
                return
            if await self._ledger.forget_shared(push.errand.product_id, record.url):
                push.pushed.forgotten += 1
            else:
                await self._remove(push, record)

    async def _store(
        self, push: Push, records: Sequence[Record], *, announced: bool, keep_already: bool = True
    ) -> None:
        """Store photos; those that were there already are written to the ledger if `keep_already`."""
        product_id, versions = push.errand.product_id, dict[str, str]()

        async def announce(batch: Sequence[Record]) -> None:
            versions.update(await self._ledger.announce(product_id, batch))

        async def keep(batch: Sequence[Record], answers: Sequence[Stored]) -> None:
            for record, answer in _pairs(batch, answers):
                if answer.fault is not None:
                    await patiently(self._ledger.renounce, product_id, record)
                elif keep_already or not answer.already:
                    await patiently(self._write, push.errand, record, answer, versions.get(record.url))
            push.pushed.answers.extend(answers)

        delivery = Delivery(self.profile.store, keep, announce if announced else None)
        await self._sender.send(push, delivery, records, batch=self.profile.batch)

    async def _write(self, errand: Errand, record: Record, answer: Stored, version: str | None) -> None:
        assert errand.content_hash is not None
        await self._ledger.store(errand.product_id, record, answer, errand.content_hash, version)

    async def _remove(self, push: Push, record: Record) -> None:
        product_id, known = push.errand.product_id, list[Row]()

        async def keep(batch: Sequence[Record], answers: Sequence[Stored]) -> None:
            for removed, answer in _pairs(batch, answers):
                if answer.fault is None:
                    await patiently(self._ledger.forget, product_id, removed)
                else:
                    await patiently(self._ledger.trust, removed, known)
            push.pushed.removed.extend(answers)

        async def announce(batch: Sequence[Record]) -> None:
            for announced in batch:
                known.extend(await self._ledger.doubt(product_id, announced))

        delivery = Delivery(self.profile.remove, keep, announce)
        await self._sender.send(push, delivery, [record], batch=self.profile.batch)


def _pairs(records: Sequence[Record], answers: Sequence[Stored]) -> list[tuple[Record, Stored]]:
    by_url = {record.url: record for record in records}
    return [(by_url[answer.url], answer) for answer in answers]
