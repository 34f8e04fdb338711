"""The four calls clients make, and the crops they may look at. Each is parse, ask, render: pure, effect, pure."""

from __future__ import annotations

from typing import Any

import falcon.asgi
import msgspec

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.profile import Profile

from . import questions, rendering
from .crops import Crops
from .exchange import Exchange
from .problems import no_collection
from .recognize import Recognizer
from .tagging import Tagger
from .upstream import Upstream


class Photos:
    """What the resources share: whom they ask, in which profile, and whether local addresses are allowed.

    `searchable` is False where no collection is set.
    """

    def __init__(
        self, upstream: Upstream, profile: Profile, crops: Crops, *, allow_private: bool, searchable: bool
    ) -> None:
        self.upstream = upstream
        self.profile = profile
        self.crops = crops
        self.tagger = Tagger(upstream, profile)
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
        _answer(resp, rendering.items(self._photos.crops.addressed(question.url, found)))


class TagResource:
    """POST /tag: what the garment on a photo is like."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "url")
        crops = self._photos.crops
        question = questions.photo(exchange.body, allow_private=self._photos.allow_private, own=crops.prefix)
        photo = await crops.photo(question.url, exchange)
        _answer(resp, rendering.tags(await self._photos.tagger.tag(photo, exchange)))


class SearchResource:
    """POST /search: products that look like the garment on a photo."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "crop_url")
        crops = self._photos.crops
        question = questions.search(exchange.body, allow_private=self._photos.allow_private, own=crops.prefix)
        if not self._photos.searchable:
            raise no_collection()
        photo = await crops.photo(question.crop_url, exchange)
        only = question.category if question.strict_category else None
        call = self._photos.profile.search(photo, question.top_k, only)
        found = await self._photos.upstream.ask(call, exchange)
        ordered = rendering.candidates(found, question.category, question.strict_category)
        _answer(resp, {"candidates": ordered})


class RecognizeResource:
    """POST /recognize: all three at once."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos
        self._recognizer = Recognizer(
            photos.upstream, photos.profile, photos.tagger, photos.crops, searchable=photos.searchable
        )

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        exchange = exchange_of(req, "url")
        question = questions.recognize(exchange.body, allow_private=self._photos.allow_private)
        _answer(resp, await self._recognizer.recognize(question, exchange))


class CropResource:
    """GET /crops/NAME: a crop, for whoever has its address."""

    def __init__(self, crops: Crops) -> None:
        self._crops = crops

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        exchange = exchange_of(req)
        jpeg, seconds = await self._crops.named(name, exchange)
        exchange.cache_control = b"public, max-age=%d, immutable" % seconds
        resp.data = jpeg
        resp.content_type = "image/jpeg"


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
