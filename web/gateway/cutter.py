"""Has photos fetched and cut: each photo once for all who want it, the cutting in a few threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cachetools

from procrastinate_app.ximilar import errors

from . import cutting
from .crop_urls import Crop
from .fetching import PhotoFetcher
from .metrics import Metrics
from .photo_faults import PhotoUnusable
from .problems import TooBusy
from .waiting import before

KEPT_SECONDS = 60.0  # a photo, since its crops are mostly asked about one after another
KEPT_BYTES = 64 * 1024 * 1024
MAX_WAITING = 64
THREADS = 2  # a picture takes up to four bytes a pixel while it is cut


class Cutter:
    """Cuts what `fetcher` gets; a photo of more than `max_pixels` is not touched."""

    def __init__(self, fetcher: PhotoFetcher, metrics: Metrics, *, max_pixels: int) -> None:
        self._fetcher = fetcher
        self._metrics = metrics
        self._max_pixels = max_pixels
        self._kept: cachetools.TTLCache[str, bytes] = cachetools.TTLCache(
            KEPT_BYTES, KEPT_SECONDS, getsizeof=len
        )
        self._fetches: dict[str, asyncio.Task[bytes]] = {}
        self._waiting = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="cutter")

    async def start(self) -> None:
        """Open the connections, on the running loop."""
        cutting.prepare(self._max_pixels)
        await self._fetcher.__aenter__()

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in tuple(self._fetches.values()):
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._fetcher.__aexit__()

    def expect(self, url: str) -> None:
        """Begin to fetch a photo that will be cut."""
        if url not in self._kept:
            self._fetch(url)

    async def cut(self, crops: Sequence[Crop], ends: float) -> list[bytes | None]:
        """Return the JPEGs of some crops of one photo, None for one that lies outside it.

        `ends` is of the monotonic clock. Raises PhotoUnusable, TooBusy.
        """
        if self._waiting >= MAX_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            photo = await self._photo(crops[0].url, ends)
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._cut, photo, crops)
            return await before(ends, work)
        except errors.TimedOut as error:
            raise PhotoUnusable("timed_out") from error
        finally:
            self._waiting -= 1

    def _cut(self, photo: bytes, crops: Sequence[Crop]) -> list[bytes | None]:
        with self._metrics.cut_seconds.time():
            return cutting.cut(photo, crops, max_pixels=self._max_pixels)

    async def _photo(self, url: str, ends: float) -> bytes:
        kept = self._kept.get(url)
        return await before(ends, self._fetch(url)) if kept is None else kept

    def _fetch(self, url: str) -> asyncio.Task[bytes]:
        task = self._fetches.get(url)
        if task is None:
            task = self._fetches[url] = asyncio.create_task(self._fetched(url))
            task.add_done_callback(lambda done: self._landed(url, done))
        return task

    async def _fetched(self, url: str) -> bytes:
        outcome = "ok"
        try:
            with self._metrics.photo_seconds.time():
                photo = await self._fetcher.fetch(url)
        except PhotoUnusable as error:
            outcome = error.cause
            raise
        finally:
            self._metrics.photo_fetches.labels(outcome).inc()
        if len(photo) <= KEPT_BYTES:
            self._kept[url] = photo
        return photo

    def _landed(self, url: str, task: asyncio.Task[bytes]) -> None:
        self._fetches.pop(url, None)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would report it as lost where nobody waits any more
