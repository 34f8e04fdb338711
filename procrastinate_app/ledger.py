"""The ledger: which photos a collection holds for which product.

Every line is written right after the answer it comes from, in a statement of its own, so that a crash forgets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from .database import Database, Row
from .plan import UNSURE, LedgerEntry
from .ximilar.answers import Record, Stored
from .ximilar.profile import Profile


class Ledger:
    """What is known of one profile and collection."""

    def __init__(self, database: Database, profile: Profile) -> None:
        self._database = database
        self._where = {"profile": profile.name, "collection_id": profile.collection_id}

    async def entries(self, product_id: int) -> dict[str, LedgerEntry]:
        """Return {address: entry} of a product's photos."""
        rows = await self._database.all("photos_of", product_id=product_id, **self._where)
        return {row["url"]: LedgerEntry.of(row) for row in rows}

    async def inherit(
        self, product_id: int, sku: str | None, urls: Sequence[str], *, giver: int | None = None
    ) -> int:
        """Take over what rows that are gone left behind under this SKU, of these addresses; returns how many.

        Not from a row whose job is at work, unless that is the `giver`, whose job asks for it.
        """
        return await self._step(product_id, "inherit_records", sku=sku, urls=list(urls), giver=giver)

    async def unsync_heirs(self, product_id: int) -> None:
        """Make synced rows without a ledger `pending`, of the SKUs that a product is about to leave."""
        await self._database.run("unsync_heirs", product_id=product_id, **self._where)

    async def _step(self, product_id: int, name: str, **parameters: Any) -> int:
        async with self._database.transaction() as tx:
            await tx.run("lock_records", product_id=product_id)
            return await tx.run(name, product_id=product_id, **parameters, **self._where)


class SharedLedger(Ledger):
    """Where records have no ids of ours: products of one SKU may hold the same photo."""

    async def store(
        self, product_id: int, record: Record, answer: Stored, content_hash: UUID, version: str | None
    ) -> None:
        """Write that the collection holds a photo, with this content unless it was there `already`.

        With a `version`, which it was announced in, also unless another product has touched it since.
        """
        await self._database.run(
            "store_photo",
            product_id=product_id,
            sku=record.metadata.get("sku_id"),
            url=record.url,
            remote_id=answer.remote_id,
            content_hash=content_hash,
            already=answer.already,
            request_id=answer.request_id,
            version=version,
            unsure=UNSURE,
            **self._where,
        )

    async def announce(self, product_id: int, records: Sequence[Record]) -> dict[str, str]:
        """Write that photos are about to be sent; returns {address: version}.

        An answer may be lost, and the row edited before they are sent again: then this is all that is known of them.
        """
        rows = await self._database.all(
            "announce_photos",
            product_id=product_id,
            sku=records[0].metadata.get("sku_id"),
            urls=[record.url for record in records],
            unsure=UNSURE,
            **self._where,
        )
        return {row["url"]: row["version"] for row in rows}

    async def renounce(self, product_id: int, record: Record) -> None:
        """Write that an announced photo was refused."""
        await self._database.run(
            "renounce_photo", product_id=product_id, url=record.url, unsure=UNSURE, **self._where
        )

    async def share(self, product_id: int, record: Record, content_hash: UUID) -> bool:
        """Write that a photo was there already because another product holds it. Returns whether one does."""
        async with self._database.transaction() as tx:
            await tx.run("lock_sharing")
            shared = await tx.run(
                "share_photo",
                product_id=product_id,
                sku=record.metadata.get("sku_id"),
                url=record.url,
                content_hash=content_hash,
                unsure=UNSURE,
                **self._where,
            )
        return shared > 0

    async def doubt(self, product_id: int, record: Record) -> list[Row]:
        """Write that a photo is about to be removed; returns what was known of it.

        The answer may be lost, and the row list the photo again as it was: then it must not pass for stored.
        """
        return await self._database.all(
            "doubt_photo",
            product_id=product_id,
            sku=record.metadata.get("sku_id"),
            url=record.url,
            unsure=UNSURE,
            **self._where,
        )

    async def trust(self, record: Record, known: Sequence[Row]) -> None:
        """Write that a photo was not removed after all: what was `known` of it holds."""
        await self._database.run(
            "trust_photo",
            url=record.url,
            ids=[row["product_id"] for row in known],
            hashes=[row["content_hash"] for row in known],
            versions=[row["version"] for row in known],
            **self._where,
        )

    async def forget(self, product_id: int, record: Record) -> None:
        """Write that the collection no longer holds a photo; the row becomes `pending` if it was its last one.

        Other rows that hold the same one are in doubt.
        """
        await self._database.run(
            "forget_photo",
            product_id=product_id,
            sku=record.metadata.get("sku_id"),
            url=record.url,
            unsure=UNSURE,
            **self._where,
        )

    async def forget_shared(self, product_id: int, url: str) -> bool:
        """Leave a photo to another product that holds the same one. Returns whether there is such a product."""
        async with self._database.transaction() as tx:
            await tx.run("lock_sharing")
            left = await tx.run("forget_shared", product_id=product_id, url=url, unsure=UNSURE, **self._where)
        return left > 0

    async def hand_over(self, product_id: int) -> int:
        """Give a product's photos to rows that list them under the same SKU; returns how many."""
        return await self._database.run(
            "hand_over_photos", product_id=product_id, unsure=UNSURE, **self._where
        )
