"""Steady load over kept-alive connections, with every request that is lost counted."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from types import TracebackType

import aiohttp

from .servers import wait_for


class Load:
    """`clients` connections that ask one after the other from `with` to its end; see `outcomes` afterwards.

    Each asks about another photo: `photo` with its number.
    """

    def __init__(self, url: str, clients: int = 32, *, photo: str = "https://cdn.example.com/{}.jpg") -> None:
        self._url = url
        self._photo = photo
        self._clients = clients
        self._over = False
        self._numbers = itertools.count()
        self.outcomes: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        """Of the answers 5xx, by the code of their problem."""
        self.seconds: list[float] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def done(self) -> int:
        return self.outcomes["200"]

    @property
    def lost(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()
        self._thread.join(30)

    def end(self) -> None:
        """Begin no further request."""
        self._over = True

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=self._clients)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(self._client(session) for _ in range(self._clients)))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._over:
            content = {"url": self._photo.format(next(self._numbers))}
            started = time.monotonic()
            try:
                async with session.post(self._url + "/detect", json=content) as answer:
                    body = await answer.read()
                    self.outcomes[str(answer.status)] += 1
                    if answer.status >= 500:
                        self.causes[_code(body)] += 1
            except (aiohttp.ClientError, OSError) as error:
                self.outcomes[type(error).__name__] += 1
                await asyncio.sleep(0.01)  # a server that refuses connections is not asked in a tight loop
            self.seconds.append(time.monotonic() - started)


def _code(body: bytes) -> str:
    """What a problem calls itself; a proxy's own page has no code."""
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError, TypeError):
        return "not ours"


def serve_more(load: Load, count: int) -> None:
    """Wait until so many further requests were answered well."""
    served = load.done
    wait_for(lambda: load.done > served + count, 30)
