"""The four calls clients make. Each is parse, ask, render: pure, effect, pure."""

from __future__ import annotations

from typing import Any

import falcon.asgi
import msgspec

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.profile import Profile

from . import questions, rendering
from .exchange import Exchange
from .problems import no_collection
from .recognize import Recognizer
from .upstream import Upstream


class Photos:
    """What the resources share: whom they ask, in which profile, and whether local addresses are allowed.

    `searchable` is False where no collection is set.
    """

    def __init__(
        self, upstream: Upstream, profile: Profile, *, allow_private: bool, searchable: bool
    ) -> None:
        self.upstream = upstream
        self.profile = profile
        self.allow_private = allow_private
        self.searchable = searchable


class DetectResource:
    """POST /detect: the garments on a photo."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "url")
        question = questions.photo(exchange.body, allow_private=self._photos.allow_private)
        call = self._photos.profile.detect(question.url)
        found = await self._photos.upstream.ask(call, exchange)
        _answer(resp, rendering.items(found))


class TagResource:
    """POST /tag: what the garment on a photo is like."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "url")
        question = questions.photo(exchange.body, allow_private=self._photos.allow_private)
        found = await self._photos.upstream.ask(self._photos.profile.tag(question.url), exchange)
        _answer(resp, rendering.tags(found))


class SearchResource:
    """POST /search: products that look like the garment on a photo."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "crop_url")
        question = questions.search(exchange.body, allow_private=self._photos.allow_private)
        if not self._photos.searchable:
            raise no_collection()
        call = self._photos.profile.search(question.crop_url, question.top_k)
        found = await self._photos.upstream.ask(call, exchange)
        ordered = rendering.candidates(found, question.category, question.strict_category)
        _answer(resp, {"candidates": ordered})


class RecognizeResource:
    """POST /recognize: all three at once."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos
        self._recognizer = Recognizer(
            photos.upstream,
            photos.profile,
            allow_private=photos.allow_private,
            searchable=photos.searchable,
        )

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "url")
        question = questions.recognize(exchange.body, allow_private=self._photos.allow_private)
        _answer(resp, await self._recognizer.recognize(question, exchange))


def exchange_of(req: falcon.asgi.Request, field: str = "url") -> Exchange:
    """Return the facts of this request; `field` is the part of its body that holds the address."""
    exchange: Exchange = req.scope["exchange"]
    exchange.field = field
    return exchange


def _answer(resp: falcon.asgi.Response, content: dict[str, Any]) -> None:
    try:
        resp.data = msgspec.json.encode(content)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise errors.Nonsense("an answer that cannot be written as JSON") from error
    resp.content_type = falcon.MEDIA_JSON
