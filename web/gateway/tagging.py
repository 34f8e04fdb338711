"""Asks what the garments on photos are like: in few calls, and without waiting long for what is only added."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from procrastinate_app.ximilar.answers import Photo, Tags
from procrastinate_app.ximilar.errors import ItemFault, XimilarError
from procrastinate_app.ximilar.profile import Profile

from .exchange import Exchange
from .upstream import Upstream

EXTRA_SECONDS = 2.0  # for an optional call, once the one that matters has been answered

_Said = list[Tags | None]
Outcome = Tags | XimilarError


class Tagger:
    """Asks `upstream` in the words of `profile`."""

    def __init__(self, upstream: Upstream, profile: Profile) -> None:
        self._upstream = upstream
        self._profile = profile

    async def tag(self, photo: Photo, exchange: Exchange) -> Tags:
        """Return what one garment is like. Raises the errors of `ximilar.errors`."""
        (found,) = await self._batch((photo,), exchange)
        if isinstance(found, XimilarError):
            raise found
        return found

    async def tag_all(self, photos: Sequence[Photo], exchange: Exchange) -> list[Outcome]:
        """Return what each garment is like, or the error in its place."""
        size = self._profile.batch
        batches = [photos[start : start + size] for start in range(0, len(photos), size)]
        found = await asyncio.gather(*(self._batch(batch, exchange) for batch in batches))
        return [outcome for batch in found for outcome in batch]

    async def _batch(self, photos: Sequence[Photo], exchange: Exchange) -> list[Outcome]:
        call, *extra_calls = self._profile.tag(photos)
        extras = [asyncio.create_task(self._upstream.ask(extra, exchange)) for extra in extra_calls]
        try:
            said = await self._upstream.ask(call, exchange)
            added = await _given_in_time(extras, exchange.ends)
        except XimilarError as error:
            return [error] * len(photos)
        finally:
            for task in extras:
                task.cancel()
        return [_outcome(tags, [more[place] for more in added]) for place, tags in enumerate(said)]


async def _given_in_time(extras: Sequence[asyncio.Task[_Said]], ends: float) -> list[_Said]:
    """Return the answers of optional calls; one that fails or takes its time is done without."""
    if not extras:
        return []
    await asyncio.wait(extras, timeout=max(0.0, min(EXTRA_SECONDS, ends - time.monotonic())))
    given = []
    for task in extras:
        if task.done():
            error = task.exception()
            if error is None:
                given.append(task.result())
            elif not isinstance(error, XimilarError):
                raise error
    return given


def _outcome(tags: Tags | None, additions: Sequence[Tags | None]) -> Outcome:
    if tags is None:
        return ItemFault()
    for more in additions:
        tags = tags.filled_in(more) if more else tags
    return tags
