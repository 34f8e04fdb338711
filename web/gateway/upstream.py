"""Asks Ximilar on behalf of requests, as seldom as possible: memory first, and once for all who ask the same.

A call under way is a flight. It belongs to nobody: a client that leaves does not cancel what has been sent
and will be billed, and its answer is kept for when that client asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.calls import Call

from . import cache as kept
from .attempts import Attempts
from .cache import Cache
from .exchange import Exchange
from .metrics import Metrics
from .waiting import before

T = TypeVar("T")


class Flight:
    """One question on its way: `waiters` want its answer, the most patient of them until `ends`."""

    __slots__ = ("ends", "headers", "task", "waiters")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.waiters = 0
        self.ends = 0.0
        self.task: asyncio.Task[tuple[Any, str]]

    def wanted_at(self, moment: float) -> bool:
        """Tell whether anybody would still be waiting then."""
        return self.waiters > 0 and moment < self.ends


class Upstream:
    """`attempts` makes the calls; `api_url` tells one API's answers from another's in a shared cache."""

    def __init__(self, attempts: Attempts, cache: Cache, metrics: Metrics, api_url: str) -> None:
        self._attempts = attempts
        self._cache = cache
        self._metrics = metrics
        self._api_url = api_url
        self._flights: dict[bytes, Flight] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def ask(self, call: Call[T], exchange: Exchange) -> T:
        """Return the answer to `call` before the exchange's end. Raises the errors of `ximilar.errors`."""
        key = kept.key_of(call, self._api_url)
        if not exchange.fresh:
            found = self._cache.get(key)
            if found is not None:
                self._note(call, exchange, "hit")
                answer: T = kept.decode(call, found)
                return answer
        return await self._by_flight(key, call, exchange)

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _by_flight(self, key: bytes, call: Call[T], exchange: Exchange) -> T:
        flight = None if exchange.fresh else self._flights.get(key)
        joined = flight is not None
        if flight is None:
            self._attempts.demand_room()
            flight = self._take_off(key, call, exchange)
        flight.waiters += 1
        flight.ends = max(flight.ends, exchange.ends)
        exchange.asks()
        try:
            answer, source = await before(exchange.ends, flight.task)
        finally:
            flight.waiters -= 1
            exchange.asked()
        self._note(call, exchange, "joined" if joined else source)
        found: T = answer
        return found

    def _take_off(self, key: bytes, call: Call[T], exchange: Exchange) -> Flight:
        flight = Flight(exchange.upstream_headers)
        flight.task = self._start(self._fly(key, call, flight, fresh=exchange.fresh))
        if not exchange.fresh:
            self._flights[key] = flight
            flight.task.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight

    async def _fly(self, key: bytes, call: Call[T], flight: Flight, *, fresh: bool) -> tuple[T, str]:
        shared = None if fresh else await self._cache.get_shared(key)
        if shared is not None:
            try:
                answer: T = kept.decode(call, shared)
            except msgspec.DecodeError:
                pass  # of another version of this program
            else:
                return answer, "hit"
        answer = await self._attempts.make(call, flight)
        if self._cache.enabled and kept.keepable(answer):
            # Not waited for: the answer is here, and Redis may be slow.
            self._start(self._cache.put(key, _encoded(answer)))
        return answer, "miss"

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would report it as lost where every waiter has left

    def _note(self, call: Call[Any], exchange: Exchange, source: str) -> None:
        self._metrics.cache[call.name, source].inc()
        exchange.note_cache(source)


def _encoded(answer: object) -> bytes:
    try:
        return kept.encode(answer)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise errors.Nonsense("an answer that cannot be written as JSON") from error
