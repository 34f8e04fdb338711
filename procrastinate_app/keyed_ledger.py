"""The ledger where records have ids of ours: every id that the collection may hold is written down before it does.

An id is in the ledger (stored, and to stay) or a stray (to be stored, or to be deleted), so that whatever a crash
leaves behind, the next job of the product brings it to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from .ledger import Ledger
from .plan import UNSURE, Stray
from .ximilar.answers import Record, Stored


class KeyedLedger(Ledger):
    """Every change is one transaction, and safe to repeat."""

    async def strays(self, product_id: int) -> list[Stray]:
        """Return what the collection may hold of a product beside that."""
        rows = await self._database.all("strays_of", product_id=product_id, **self._where)
        return [Stray(row["remote_id"], row["stored"]) for row in rows]

    async def expect(self, product_id: int, ids: Sequence[str]) -> None:
        """Write that records are about to be inserted."""
        await self._step(product_id, "expect_records", ids=list(ids))

    async def keep(
        self, product_id: int, records: Sequence[Record], answers: Sequence[Stored], content_hash: UUID
    ) -> None:
        """Write that records are stored, with this content unless they were there `already`.

        What the ledger had at the same addresses is to be deleted.
        """
        if records:
            await self._step(
                product_id,
                "keep_records",
                ids=ids_of(records),
                urls=[record.url for record in records],
                already=[answer.already for answer in answers],
                sku=records[0].metadata.get("sku_id"),
                content_hash=content_hash,
                unsure=UNSURE,
                request_id=answers[0].request_id,
            )

    async def drop_refused(self, product_id: int, ids: Sequence[str]) -> None:
        """Write that records that were expected are not stored, and never were."""
        if ids:
            await self._step(product_id, "drop_refused", ids=list(ids))

    async def withdraw(self, product_id: int, ids: Sequence[str], *, stored: bool = True) -> None:
        """Write that records are about to be deleted; not `stored`: that the collection has lost them."""
        if ids:
            await self._step(product_id, "withdraw_records", ids=list(ids), stored=stored)

    async def note_orphans(self, product_id: int, ids: Sequence[str]) -> None:
        """Write that the collection has records which nobody here knew of."""
        await self._step(product_id, "note_orphan", ids=list(ids))

    async def drop(self, product_id: int, ids: Sequence[str]) -> None:
        """Write that records are deleted; a synced row of which nothing is left becomes `pending`."""
        if not ids:
            return
        async with self._database.transaction() as tx:
            await tx.run("lock_records", product_id=product_id)
            await tx.run("drop_records", product_id=product_id, ids=list(ids), **self._where)
            await tx.run("unsync_without_records", product_id=product_id, **self._where)

    async def doubt(self, product_id: int, ids: Sequence[str]) -> None:
        """Write that records are about to be updated, or for another reason not known to be what they were."""
        await self._step(product_id, "doubt_records", ids=list(ids), unsure=UNSURE)

    async def settle(
        self, product_id: int, records: Sequence[Record], answers: Sequence[Stored], content_hash: UUID
    ) -> None:
        """Write that records have this content now."""
        if records:
            await self._step(
                product_id,
                "settle_records",
                ids=ids_of(records),
                sku=records[0].metadata.get("sku_id"),
                content_hash=content_hash,
                request_id=answers[0].request_id,
            )

    async def forget_nameless(self, product_id: int, records: Sequence[Record]) -> None:
        """Forget photos that were stored by others, under ids that nobody here knows."""
        if records:
            urls = [record.url for record in records]
            await self._step(product_id, "forget_nameless", urls=urls)

    async def bequeath(self, product_id: int) -> int:
        """Give the photos of a row that is gone to those that list them under its SKU; returns how many."""
        heirs = await self._database.all("heirs_of_records", product_id=product_id, **self._where)
        return sum(
            [
                await self.inherit(heir["product_id"], heir["sku"], heir["urls"], giver=product_id)
                for heir in heirs
            ]
        )


def ids_of(records: Iterable[Record]) -> list[str]:
    """The ids of records that have one."""
    return [record.remote_id for record in records if record.remote_id is not None]
