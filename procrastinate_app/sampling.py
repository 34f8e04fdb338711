"""Searches synced products with their own photo: what the collection is there for, tried on a sample.

The searches are paid for; they take turns as repairs do.
"""

from __future__ import annotations

import contextlib
from typing import Any

from .database import Database
from .services import make_profile
from .settings import Settings
from .throttle import NoSlot, Throttle
from .turns import call_in_turn
from .ximilar.answers import Photo
from .ximilar.asyncio_transport import AsyncioTransport
from .ximilar.errors import SystemFault, XimilarError
from .ximilar.profile import Profile

TOP = 10


async def recall(database: Database, settings: Settings, products: int) -> dict[str, Any]:
    """Search for up to `products` random synced products.

    Returns how many were `searched`, the share found first and among the first ten (`recall_1`, `recall_10`; None
    if nothing was searched), the SKUs `not_found`, and the `failed` searches with why the sample ended early.
    """
    profile = make_profile(settings)
    throttle = Throttle(database, settings.rate_limit, repair_share=settings.repair_share)
    places: dict[str, int | None] = {}
    failed, stopped = 0, None
    with contextlib.closing(AsyncioTransport(settings.api_url, settings.token, connections=1)) as transport:
        for _ in range(products):
            row = await database.one(
                "sample_synced", profile=profile.name, collection_id=profile.collection_id
            )
            if row is None or row["sku"] in places:
                continue
            try:
                places[row["sku"]] = await _place(throttle, transport, profile, row)
            except (NoSlot, SystemFault) as error:
                stopped = getattr(error, "cause", None)
                break
            except XimilarError:
                failed += 1
    found = [place for place in places.values() if place is not None]
    return {
        "searched": len(places),
        "recall_1": _share(sum(place == 1 for place in found), len(places)),
        "recall_10": _share(len(found), len(places)),
        "not_found": [sku for sku, place in places.items() if place is None],
        "failed": failed,
        "stopped": stopped,
    }


async def _place(
    throttle: Throttle, transport: AsyncioTransport, profile: Profile, row: dict[str, Any]
) -> int | None:
    """At which place a search with this photo finds its product, from 1; None: not among the first ten."""
    # Several photos of one product may come before those of the next one.
    found = await call_in_turn(throttle, transport, profile.search(Photo(row["url"]), TOP * 5))
    skus = [candidate.sku_id for candidate in found][:TOP]
    return skus.index(row["sku"]) + 1 if row["sku"] in skus else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
