"""Answers given before, kept as bytes: in this process' memory, and in Redis where there is one.

Redis is never waited for: when it is slow or down it is left alone for a while, and costs nothing but hits.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any

import cachetools
import msgspec

from procrastinate_app import logs
from procrastinate_app.ximilar.answers import Candidate, Item, Tags
from procrastinate_app.ximilar.calls import Call

MAX_ANSWER_BYTES = 64 * 1024
REDIS_SECONDS = 0.1
REDIS_PAUSE_SECONDS = 5.0

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "detect": msgspec.json.Decoder(list[Item]),
    "tag": msgspec.json.Decoder(list[Tags | None]),
    "colors": msgspec.json.Decoder(list[Tags | None]),
    "search": msgspec.json.Decoder(list[Candidate]),
}
_Kept = tuple[bytes, float]  # an answer, and when it is to go
_log = logs.get("gateway")


def key_of(call: Call[Any], api_url: str) -> bytes:
    """Return what names a question: equal for the same body of the same call to the same API.

    A header may name the collection that is searched.
    """
    request = call.request
    body = msgspec.json.encode((api_url, request.path, request.body, request.headers))
    return hashlib.blake2b(body, digest_size=20).digest()


def keepable(answer: object) -> bool:
    """Whether it may be given again: not where a part of it is a failure."""
    return not (isinstance(answer, list) and None in answer)


def encode(answer: object) -> bytes:
    """Return an answer as bytes."""
    return msgspec.json.encode(answer)


def decode(call: Call[Any], kept: bytes) -> Any:
    """Return the answer that `kept` holds. Raises msgspec.DecodeError where it holds another's."""
    return _DECODERS[call.name].decode(kept)


class Cache:
    """Keeps answers for `seconds` (0: not at all), at most `entries` of them in memory.

    `redis_url` names a store shared with other processes and hosts; empty: none. `on_redis_error` is called
    for each failure of it.
    """

    def __init__(
        self,
        seconds: float,
        entries: int,
        *,
        redis_url: str = "",
        on_redis_error: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.enabled = seconds > 0
        self._seconds = seconds
        self._memory: cachetools.TLRUCache[bytes, _Kept] = cachetools.TLRUCache(
            entries, ttu=lambda _key, kept, _now: kept[1], timer=clock
        )
        self._redis = _connect(redis_url) if redis_url and self.enabled else None
        self._on_redis_error = on_redis_error
        self._clock = clock
        self._redis_rests_until = 0.0

    def get(self, key: bytes) -> bytes | None:
        """Return what memory holds."""
        kept = self._memory.get(key) if self.enabled else None
        return None if kept is None else kept[0]

    async def get_shared(self, key: bytes) -> bytes | None:
        """Return what Redis holds, and keep it in memory for what is left of its time."""
        if self._redis is None or self._clock() < self._redis_rests_until:
            return None
        name = _redis_name(key)
        try:
            async with asyncio.timeout(REDIS_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                answer, left_ms = await pipeline.get(name).pttl(name).execute()
        except Exception as error:  # whatever is wrong with Redis, requests go on
            self._let_redis_rest(error)
            return None
        if answer is None or left_ms <= 0:
            return None
        found: bytes = answer
        self._keep(key, found, left_ms / 1000)
        return found

    async def put(self, key: bytes, answer: bytes) -> None:
        """Keep an answer, unless it is very large."""
        if not self.enabled or len(answer) > MAX_ANSWER_BYTES:
            return
        self._keep(key, answer, self._seconds)
        if self._redis is None or self._clock() < self._redis_rests_until:
            return
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await self._redis.set(_redis_name(key), answer, px=int(self._seconds * 1000))
        except Exception as error:
            self._let_redis_rest(error)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _keep(self, key: bytes, answer: bytes, seconds: float) -> None:
        self._memory[key] = (answer, self._clock() + min(seconds, self._seconds))

    def _let_redis_rest(self, error: Exception) -> None:
        self._redis_rests_until = self._clock() + REDIS_PAUSE_SECONDS
        self._on_redis_error()
        _log.warning("redis_unavailable", kind=type(error).__name__, pause_seconds=REDIS_PAUSE_SECONDS)


def _redis_name(key: bytes) -> str:
    return f"ximilar-gateway:2:{key.hex()}"


def _connect(url: str) -> Any:
    # An extra of this distribution, wanted only where REDIS_URL is set.
    import redis.asyncio

    return redis.asyncio.Redis.from_url(
        url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, max_connections=64
    )
