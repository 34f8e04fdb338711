"""Downloads photos, to cut crops out of them: the only requests this gateway makes for a stranger's address.

The address has passed the one rule for photos, and passes it again here; the rule is about names, so what a name
resolves to is judged too, at the very look-up whose result is connected to (a name may answer differently each
time). No redirect is followed, nothing is decompressed, and no token goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import yarl

from procrastinate_app.ximilar import urls

from .cutter import MAX_FETCHES
from .photo_faults import PhotoUnusable
from .problems import TooBusy
from .resolving import AddressRefused, PublicResolver, Resolver

FETCH_SECONDS = 10.0
QUEUE_SECONDS = 10.0  # for a free connection, before that
CONNECTIONS = MAX_FETCHES
CONNECTIONS_PER_HOST = 8  # a host that is slow is so to its own photos
LARGEST_AT_ONCE = 4  # what is being downloaded may not be more bytes than so many of the largest photos


class PhotoFetcher:
    """Fetches photos of at most `max_bytes`; `allow_private` lets them lie on local addresses (development).

    An async context manager, to be entered on the loop it is used on.
    """

    def __init__(self, *, max_bytes: int, allow_private: bool) -> None:
        self._max_bytes = max_bytes
        self._allow_private = allow_private
        self._bytes = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PhotoFetcher:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS,
                limit_per_host=CONNECTIONS_PER_HOST,
                resolver=Resolver() if self._allow_private else PublicResolver(),
            ),
            trace_configs=[_waits_apart()],
            headers={"User-Agent": "ximilar-gateway", "Accept": "image/*", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str) -> bytes:
        """Return the photo's bytes, whatever they are. Raises PhotoUnusable, TooBusy."""
        try:
            address = urls.photo_url(url, allow_private=self._allow_private)
            async with asyncio.timeout(FETCH_SECONDS) as limit:
                return await self._download(address, limit)
        except urls.UrlRefused as error:
            raise PhotoUnusable("address_refused") from error
        except TimeoutError as error:
            raise PhotoUnusable("timed_out") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(error.__cause__, AddressRefused)
            raise PhotoUnusable("address_refused" if refused else "unreachable") from error

    async def _download(self, url: str, limit: asyncio.Timeout) -> bytes:
        assert self._session is not None, "enter the fetcher first"
        asked = yarl.URL(url, encoded=True)  # as it is spelt: what was signed is what is asked for
        async with self._session.get(asked, allow_redirects=False, trace_request_ctx=limit) as answer:
            if answer.status != 200:
                raise PhotoUnusable("not_there")
            if (answer.content_length or 0) > self._max_bytes:
                raise PhotoUnusable("too_large")
            return await self._read(answer.content)

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        found = bytearray()
        try:
            async for chunk in content.iter_any():
                found += chunk
                self._bytes += len(chunk)
                if len(found) > self._max_bytes:
                    raise PhotoUnusable("too_large")
                if self._bytes > self._max_bytes * LARGEST_AT_ONCE:
                    raise TooBusy
            return bytes(found)
        finally:
            self._bytes -= len(found)


def _waits_apart() -> aiohttp.TraceConfig:
    """Let a request's time begin anew when it has its connection: others may be slow to give theirs back."""

    def allow(seconds: float) -> Callable[[Any, SimpleNamespace, Any], Awaitable[None]]:
        async def reschedule(_session: Any, context: SimpleNamespace, _params: Any) -> None:
            limit: asyncio.Timeout = context.trace_request_ctx
            limit.reschedule(asyncio.get_running_loop().time() + seconds)

        return reschedule

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(allow(QUEUE_SECONDS))
    trace.on_connection_queued_end.append(allow(FETCH_SECONDS))
    return trace
