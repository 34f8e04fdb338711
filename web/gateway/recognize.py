"""Detect, then tag and search every garment found, all of them at once, within the request's one deadline.

What fails for one garment is told inside it; only when the garments cannot be found does the whole fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from procrastinate_app.ximilar import urls
from procrastinate_app.ximilar.answers import Item
from procrastinate_app.ximilar.errors import XimilarError
from procrastinate_app.ximilar.profile import Profile

from . import rendering
from .exchange import Exchange
from .problems import Problem, from_error, no_collection
from .questions import Recognize
from .upstream import Upstream

T = TypeVar("T")


class Recognizer:
    """Asks `upstream` in the words of `profile`; `searchable` is False where no collection is set."""

    def __init__(
        self, upstream: Upstream, profile: Profile, *, allow_private: bool, searchable: bool
    ) -> None:
        self._upstream = upstream
        self._profile = profile
        self._allow_private = allow_private
        self._searchable = searchable

    async def recognize(self, question: Recognize, exchange: Exchange) -> dict[str, Any]:
        """Return the answer of /recognize. Raises the errors of `ximilar.errors` where detecting fails."""
        found = await self._upstream.ask(self._profile.detect(question.url), exchange)
        described = await asyncio.gather(*(self._describe(item, question, exchange) for item in found))
        return {"items": described}

    async def _describe(self, item: Item, question: Recognize, exchange: Exchange) -> dict[str, Any]:
        problems: dict[str, dict[str, object]] = {}
        attributes, candidates = await asyncio.gather(
            _part("attributes", lambda: self._tags(item, exchange), problems, exchange),
            _part("candidates", lambda: self._candidates(item, question, exchange), problems, exchange),
        )
        described = {**rendering.item(item), "attributes": attributes, "candidates": candidates}
        return {**described, "errors": problems} if problems else described

    async def _tags(self, item: Item, exchange: Exchange) -> dict[str, Any]:
        found = await self._upstream.ask(self._profile.tag(self._crop(item)), exchange)
        return rendering.tags(found)

    async def _candidates(self, item: Item, question: Recognize, exchange: Exchange) -> list[dict[str, Any]]:
        if not self._searchable:
            raise no_collection()
        call = self._profile.search(self._crop(item), question.top_k)
        found = await self._upstream.ask(call, exchange)
        return rendering.candidates(found, item.category, question.strict_category)

    def _crop(self, item: Item) -> str:
        try:
            return urls.photo_url(item.crop_url or "", allow_private=self._allow_private)
        except urls.UrlRefused:
            raise Problem(502, "no_crop", "Ximilar gave no usable crop of this item.") from None


async def _part(
    name: str, work: Callable[[], Awaitable[T]], problems: dict[str, dict[str, object]], exchange: Exchange
) -> T | None:
    """Return what `work` does, or None with its problem noted under `name`."""
    try:
        return await work()
    except Problem as problem:
        problems[name] = problem.members(exchange.request_id)
    except XimilarError as error:
        problems[name] = from_error(error, "crop_url").members(exchange.request_id)
    return None
