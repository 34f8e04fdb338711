"""The gateway's callers during a storm: they ask all the time and keep every answer with its moment."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from dataclasses import dataclass

import aiohttp

from .scrapers import PHOTOS
from .world import World

CLIENTS = 4
PAUSE_SECONDS = 0.5
PATHS = ("/detect", "/tag", "/search")
MARK = "asked"
"""In the addresses that callers ask about: what reaches Ximilar with it was not sent by a worker."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request came to: begun and ended by the monotonic clock, `code` of a problem, status 0: broken off."""

    begun: float
    ended: float
    path: str
    status: int
    code: str


class Callers:
    """Ask from `with` to its end."""

    def __init__(self, world: World) -> None:
        self.answers: list[Answered] = []
        self.pages: list[str] = []
        self._world = world
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="callers", daemon=True)

    def __enter__(self) -> Callers:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._world.bearer}"}
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(
            self._world.gateway_url, headers=headers, timeout=timeout
        ) as session:
            await asyncio.gather(*(self._ask_all_the_time(session) for _ in range(CLIENTS)))
            async with session.get("/metrics") as page:
                self.pages.append(await page.text())

    async def _ask_all_the_time(self, session: aiohttp.ClientSession) -> None:
        while not self._over.is_set():
            number = next(self._numbers)
            path = PATHS[number % len(PATHS)]
            photo = f"{self._world.photos_url}/{PHOTOS[number % len(PHOTOS)]}?{MARK}-{number}"
            begun = time.monotonic()
            status, code = await self._ask(session, path, {"crop_url" if path == "/search" else "url": photo})
            self.answers.append(Answered(begun, time.monotonic(), path, status, code))
            await asyncio.sleep(PAUSE_SECONDS)  # a pace, not a wait for anything

    async def _ask(
        self, session: aiohttp.ClientSession, path: str, content: dict[str, str]
    ) -> tuple[int, str]:
        try:
            async with session.post(path, json=content) as answer:
                document = await answer.json(content_type=None)
                return answer.status, str(document.get("code", ""))
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, type(error).__name__
