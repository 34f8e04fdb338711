"""Detect, then tag and search every garment found, all of them at once, within the request's one deadline.

What fails for one garment is told inside it; only when the garments cannot be found does the whole fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from procrastinate_app.ximilar.answers import Item, Photo, Tags
from procrastinate_app.ximilar.errors import XimilarError
from procrastinate_app.ximilar.profile import Profile

from . import rendering
from .crops import Crops
from .exchange import Exchange
from .problems import Problem, from_error, no_collection
from .questions import Recognize
from .tagging import Tagger
from .upstream import Upstream

_Failed = Problem | XimilarError
_Candidates = list[dict[str, Any]]


class Recognizer:
    """Asks `upstream` in the words of `profile`; `searchable` is False where no collection is set."""

    def __init__(
        self, upstream: Upstream, profile: Profile, tagger: Tagger, crops: Crops, *, searchable: bool
    ) -> None:
        self._upstream = upstream
        self._profile = profile
        self._tagger = tagger
        self._crops = crops
        self._searchable = searchable

    async def recognize(self, question: Recognize, exchange: Exchange) -> dict[str, Any]:
        """Return the answer of /recognize. Raises the errors of `ximilar.errors` where detecting fails."""
        if not self._profile.gives_crops:
            self._crops.expect(question.url)
        found = await self._upstream.ask(self._profile.detect(question.url), exchange)
        photos = await self._crops.photos(question.url, found, exchange)
        searches = (self._candidates(*pair, question, exchange) for pair in zip(found, photos, strict=True))
        tags, candidates = await asyncio.gather(self._tags(photos, exchange), asyncio.gather(*searches))
        items = self._crops.addressed(question.url, found)
        parts = zip(items, tags, candidates, strict=True)
        return {"items": [_described(*part, exchange.request_id) for part in parts]}

    async def _tags(self, photos: Sequence[Photo | Problem], exchange: Exchange) -> list[Tags | _Failed]:
        usable = [photo for photo in photos if isinstance(photo, Photo)]
        outcomes = iter(await self._tagger.tag_all(usable, exchange))
        return [next(outcomes) if isinstance(photo, Photo) else photo for photo in photos]

    async def _candidates(
        self, item: Item, photo: Photo | Problem, question: Recognize, exchange: Exchange
    ) -> _Candidates | _Failed:
        if not self._searchable:
            return no_collection()
        if isinstance(photo, Problem):
            return photo
        only = item.category if question.strict_category else None
        call = self._profile.search(photo, question.top_k, only)
        try:
            found = await self._upstream.ask(call, exchange)
        except XimilarError as error:
            return error
        return rendering.candidates(found, item.category, question.strict_category)


def _described(
    item: Item, tags: Tags | _Failed, candidates: _Candidates | _Failed, request_id: str
) -> dict[str, Any]:
    parts = {"attributes": tags, "candidates": candidates}
    failed = {name: part for name, part in parts.items() if isinstance(part, _Failed)}
    described = {
        **rendering.item(item),
        "attributes": rendering.tags(tags) if isinstance(tags, Tags) else None,
        "candidates": None if isinstance(candidates, _Failed) else candidates,
    }
    if not failed:
        return described
    problems = {name: _problem(error).members(request_id) for name, error in failed.items()}
    return {**described, "errors": problems}


def _problem(error: _Failed) -> Problem:
    return error if isinstance(error, Problem) else from_error(error, "crop_url")
