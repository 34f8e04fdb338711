"""Has photos fetched and cut: each photo once for all who want it, the cutting in a thread of its own.

What fetches and what cuts are imported with the first photo: they are half of the memory and of the start, and
many a gateway is never asked for a crop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias, TypeVar

import cachetools

from procrastinate_app.ximilar import errors

from .crop_urls import Crop
from .metrics import Metrics
from .photo_faults import PhotoUnusable
from .problems import TooBusy
from .waiting import before

_Key = TypeVar("_Key")
_Jpegs: TypeAlias = list[bytes | None]
_Kept: TypeAlias = "cachetools.TTLCache[_Key, bytes]"

KEPT_SECONDS = 60.0  # a photo, since its crops are mostly asked about one after another
KEPT_BYTES = 16 * 1024 * 1024
KEPT_PIECES_BYTES = 8 * 1024 * 1024
MAX_FETCHES = 32
MAX_EXPECTED = MAX_FETCHES // 2  # fetches made before anybody waits for them leave room for those who do
MAX_QUEUED = 64
MAX_QUEUED_BYTES = 32 * 1024 * 1024  # of the photos they are of; one of any size is taken
THREADS = 1  # cutting.py says what memory each takes


class Fetcher(Protocol):
    """What gets photos: an async context manager."""

    async def __aenter__(self) -> Fetcher: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def fetch(self, url: str) -> bytes:
        """Return the photo's bytes. Raises PhotoUnusable, TooBusy."""
        ...


class Cutter:
    """Cuts what a fetcher gets, of no more than `max_pixels`; gives a piece again for `seconds` (0: never).

    `make_fetcher` is called in a thread, once, and may take its time.
    """

    def __init__(
        self, make_fetcher: Callable[[], Fetcher], metrics: Metrics, *, max_pixels: int, seconds: float
    ) -> None:
        self._make_fetcher = make_fetcher
        self._fetcher: Fetcher | None = None
        self._opening = asyncio.Lock()
        self._metrics = metrics
        self._max_pixels = max_pixels
        self._kept: _Kept[str] = cachetools.TTLCache(KEPT_BYTES, KEPT_SECONDS, getsizeof=len)
        self._pieces: _Kept[Crop] = cachetools.TTLCache(KEPT_PIECES_BYTES, seconds, getsizeof=len)
        self._fetches: dict[str, asyncio.Task[bytes]] = {}
        self._queued: dict[object, bytes] = {}  # the photo of each cut that waits or is being made
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="cutter")

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in tuple(self._fetches.values()):
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._fetcher is not None:
            await self._fetcher.__aexit__()

    def expect(self, url: str) -> None:
        """Begin to fetch a photo that will be cut, unless much is being fetched already."""
        if url not in self._kept and len(self._fetches) < MAX_EXPECTED:
            self._fetch(url)

    async def cut(self, crops: Sequence[Crop], ends: float) -> list[bytes | None]:
        """Return the JPEGs of some crops of one photo, None for one that lies outside it.

        `ends` is of the monotonic clock. Raises PhotoUnusable, TooBusy.
        """
        found = {crop: self._pieces.get(crop) for crop in crops}
        missing = [crop for crop, jpeg in found.items() if jpeg is None]
        try:
            if missing:
                photo = await self._photo(missing[0].url, ends)
                found.update(zip(missing, await self._cut(photo, missing, ends), strict=True))
        except errors.TimedOut as error:
            raise PhotoUnusable("timed_out") from error
        return [found[crop] for crop in crops]

    async def _cut(self, photo: bytes, crops: Sequence[Crop], ends: float) -> _Jpegs:
        self._demand_room(photo)
        ticket = object()  # all that the executor holds: what is cancelled stays in its queue for a while
        self._queued[ticket] = photo
        future = self._threads.submit(self._make, ticket, crops)
        # Until it is done and not until nobody waits: a cut that has begun cannot be stopped.
        future.add_done_callback(lambda _: self._queued.pop(ticket, None))
        work = asyncio.wrap_future(future)
        try:
            jpegs = await before(ends, work)
        finally:
            work.cancel()  # a cut that has not begun is dropped
        for crop, jpeg in zip(crops, jpegs, strict=True):
            if jpeg is not None and len(jpeg) <= KEPT_PIECES_BYTES:
                self._pieces[crop] = jpeg
        return jpegs

    def _demand_room(self, photo: bytes) -> None:
        held = {id(one): len(one) for one in list(self._queued.values())}
        added = 0 if id(photo) in held else len(photo)
        if len(self._queued) >= MAX_QUEUED or (held and sum(held.values()) + added > MAX_QUEUED_BYTES):
            raise TooBusy

    def _make(self, ticket: object, crops: Sequence[Crop]) -> _Jpegs:
        from . import cutting

        cutting.prepare(self._max_pixels)
        photo = self._queued[ticket]
        with self._metrics.cut_seconds.time():
            return cutting.cut(photo, crops, max_pixels=self._max_pixels)

    async def _photo(self, url: str, ends: float) -> bytes:
        kept = self._kept.get(url)
        return await before(ends, self._fetch(url)) if kept is None else kept

    def _fetch(self, url: str) -> asyncio.Task[bytes]:
        task = self._fetches.get(url)
        if task is None:
            if len(self._fetches) >= MAX_FETCHES:
                raise TooBusy
            task = self._fetches[url] = asyncio.create_task(self._fetched(url))
            task.add_done_callback(lambda done: self._landed(url, done))
        return task

    async def _fetched(self, url: str) -> bytes:
        try:
            with self._metrics.photo_seconds.time():
                photo = await (await self._opened()).fetch(url)
        except (PhotoUnusable, TooBusy) as error:
            self._metrics.photo_fetches.labels(error.cause).inc()
            raise
        self._metrics.photo_fetches.labels("ok").inc()
        if len(photo) <= KEPT_BYTES:
            self._kept[url] = photo
        return photo

    async def _opened(self) -> Fetcher:
        async with self._opening:
            if self._fetcher is None:
                self._fetcher = await (await asyncio.to_thread(self._make_fetcher)).__aenter__()
            return self._fetcher

    def _landed(self, url: str, task: asyncio.Task[bytes]) -> None:
        self._fetches.pop(url, None)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would report it as lost where nobody waits any more
