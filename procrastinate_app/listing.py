"""Compares the collection itself with the ledger, page by page, where records have ids of ours.

What is found can be written to the ledger, where the next comparison with the catalogue finds it and queues what makes
it true: a record that is lost is stored again, an orphan deleted, a stale one updated.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .database import Database
from .keyed_ledger import KeyedLedger
from .product import Product
from .record_ids import product_of
from .services import make_profile
from .settings import Settings
from .throttle import NoSlot, Throttle
from .turns import call_in_turn
from .ximilar.answers import Held
from .ximilar.asyncio_transport import AsyncioTransport
from .ximilar.errors import ItemFault, XimilarError
from .ximilar.profile import Keyed, Profile

CHUNK = 1000
# A listing may miss records: unlisted ones are asked for by their ids, ten a call. Where so many were asked for and
# none was there, the collection was emptied, and the others are taken for lost as well.
LOOKED_FOR = 1000
SAME_PAGE = "same_page_again"


@dataclass(slots=True)
class Listing:
    """What a listing showed: `records` in all, `foreign` of them with ids that are not ours, `orphaned` that no
    ledger knows, `altered` with other metadata than the ledger says, and `lost` that the ledger has and the collection
    has not. `stopped` is why it ended early."""

    records: int = 0
    foreign: int = 0
    orphaned: int = 0
    altered: int = 0
    lost: int = 0
    stopped: str | None = None

    @property
    def drift(self) -> int:
        """How many records are not as the ledger says."""
        return self.orphaned + self.altered + self.lost

    def facts(self) -> dict[str, Any]:
        return asdict(self)


async def compare(database: Database, settings: Settings, *, correct: bool) -> Listing | None:
    """List the collection and return what was found, or None where the profile cannot list.

    `correct` writes it to the ledger.
    """
    profile = make_profile(settings)
    if profile.keyed is None:
        return None
    throttle = Throttle(database, settings.rate_limit, repair_share=settings.repair_share)
    with contextlib.closing(AsyncioTransport(settings.api_url, settings.token, connections=1)) as transport:
        comparison = _Comparison(database, profile, profile.keyed, throttle, transport, correct)
        try:
            await comparison.make()
        except (NoSlot, XimilarError) as error:
            comparison.found.stopped = _why(error)
        finally:
            await database.run("end_listing", listing_id=comparison.listing_id)
    return comparison.found


class _Comparison:
    def __init__(
        self,
        database: Database,
        profile: Profile,
        keyed: Keyed,
        throttle: Throttle,
        transport: AsyncioTransport,
        correct: bool,
    ) -> None:
        self.found = Listing()
        self.listing_id = uuid.uuid4()
        self._database = database
        self._batch = profile.batch
        self._ledger = KeyedLedger(database, profile)
        self._where = {"profile": profile.name, "collection_id": profile.collection_id}
        self._keyed = keyed
        self._throttle = throttle
        self._transport = transport
        self._correct = correct

    async def make(self) -> None:
        await self._database.run("begin_listing")
        since = await self._database.value("moment")
        await self._read_pages()
        await self._find_lost(since)

    async def _read_pages(self) -> None:
        number, more = 1, True
        before: list[str] = []
        while more:
            page = await call_in_turn(self._throttle, self._transport, self._keyed.page(number))
            ids = [record.remote_id for record in page.records]
            if ids and ids == before:  # page numbers are ignored: there would be no end
                self.found.stopped = SAME_PAGE
                return
            await self._judge_page(page.records)
            number, more, before = number + 1, page.more, ids

    async def _judge_page(self, records: Sequence[Held]) -> None:
        ours = [record for record in records if product_of(record.remote_id) is not None]
        ids = [record.remote_id for record in ours]
        await self._database.run("note_listed", listing_id=self.listing_id, ids=ids)
        unknown = await self._database.all("unknown_among", ids=ids, **self._where)
        orphaned = [(product_of(row["remote_id"]) or 0, row["remote_id"]) for row in unknown]
        altered = await self._altered(ours)
        self.found.records += len(records)
        self.found.foreign += len(records) - len(ours)
        self.found.orphaned += len(orphaned)
        self.found.altered += len(altered)
        if self._correct:
            for product_id, theirs in _by_product(orphaned):
                await self._ledger.note_orphans(product_id, theirs)
            for product_id, theirs in _by_product(altered):
                await self._ledger.doubt(product_id, theirs)

    async def _altered(self, records: Sequence[Held]) -> list[tuple[int, str]]:
        """(product, id) of records whose metadata is not what the ledger says, be it what the row says."""
        held = {record.remote_id: record.metadata for record in records}
        rows = await self._database.all("products_of_records", ids=list(held), **self._where)
        altered = []
        for row in rows:
            remote_id = row.pop("remote_id")
            if Product(**row).metadata() != held[remote_id]:
                altered.append((row["id"], remote_id))
        return altered

    async def _find_lost(self, since: Any) -> None:
        after, looked_for, none_found = "", 0, True
        while True:
            rows = await self._database.all(
                "unlisted_records",
                **{"after": after, "since": since, "limit": CHUNK, "listing_id": self.listing_id},
                **self._where,
            )
            if not rows:
                return
            after = rows[-1]["remote_id"]
            unlisted = [(row["product_id"], row["remote_id"]) for row in rows]
            emptied = looked_for >= LOOKED_FOR and none_found
            lost = unlisted if emptied else await self._not_found(unlisted)
            none_found = none_found and len(lost) == len(unlisted)
            looked_for += len(unlisted)
            self.found.lost += len(lost)
            if self._correct:
                for product_id, theirs in _by_product(lost):
                    await self._ledger.withdraw(product_id, theirs, stored=False)

    async def _not_found(self, records: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        found: set[str] = set()
        for first in range(0, len(records), self._batch):
            ids = [remote_id for _, remote_id in records[first : first + self._batch]]
            page = await call_in_turn(self._throttle, self._transport, self._keyed.look(ids))
            found.update(held.remote_id for held in page.records)
        return [record for record in records if record[1] not in found]


def _why(error: NoSlot | XimilarError) -> str:
    """The cause; a refusal alone says little without Ximilar's words."""
    return f"{error.cause}: {error.reason}" if isinstance(error, ItemFault) else error.cause


def _by_product(records: Iterable[tuple[int, str]]) -> Iterable[tuple[int, list[str]]]:
    grouped = defaultdict(list)
    for product_id, remote_id in records:
        grouped[product_id].append(remote_id)
    return grouped.items()
