"""Carries calls on asyncio, for the gateway: one bounded pool of persistent connections, on one loop.

It means the same by a deadline, a size cap and each error as `requests_transport`; one test suite runs over
both. It repeats nothing but a connection that was never made. A general HTTP client took a quarter of the time of
a request of the gateway's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from .calls import CALL_SECONDS, CONNECT_SECONDS, Call, Request
from .errors import NotSent, TimedOut
from .http_pool import Pool

T = TypeVar("T")

_NO_HEADERS: Mapping[str, str] = {}


class AsyncioTransport:
    """At most `connections` calls in flight; a further one waits for a free connection within its deadline.

    `deadline` is the most seconds a whole call may take, `connect` the most for its connection; `token` None:
    none is shown. To be used on one loop.
    """

    def __init__(
        self,
        api_url: str,
        token: str | None,
        *,
        connections: int = 8,
        deadline: float = CALL_SECONDS,
        connect: float = CONNECT_SECONDS,
    ) -> None:
        parts = urlsplit(api_url.rstrip("/"))
        self._prefix = parts.path
        self._headers = {
            "Host": parts.netloc.rpartition("@")[2],
            **({} if token is None else {"Authorization": f"Token {token}"}),
            "User-Agent": "ximilar-gateway",
            "Accept-Encoding": "gzip",
            "Content-Type": "application/json",
        }
        self._deadline = deadline
        self._pool = Pool(api_url, limit=connections, connect=connect)

    @property
    def busy_connections(self) -> int:
        """Connections that carry a call at this moment."""
        return self._pool.busy

    async def send(
        self, call: Call[T], *, deadline: float | None = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> T:
        """Make the call and return its answer. Raises the errors of `ximilar.errors` and no other.

        `deadline` (seconds from now) replaces the transport's if it is shorter; `headers` join the call's.
        """
        request = self._written(call.request, headers)
        seconds = self._deadline if deadline is None else min(deadline, self._deadline)
        connection = None
        try:
            async with asyncio.timeout(seconds):
                connection = await self._pool.take()
                response = await connection.exchange(request)
        except TimeoutError as error:
            raise (NotSent if connection is None else TimedOut)("no whole answer in time") from error
        finally:
            if connection is not None:
                self._pool.give_back(connection)
        return call.read(response)

    def drop_idle(self) -> None:
        """Let the next call make its own connection."""
        self._pool.drop_idle()

    def close(self) -> None:
        """Close the connections that carry no call."""
        self._pool.close()

    def _written(self, request: Request, headers: Mapping[str, str]) -> bytes:
        body = b"" if request.method == "GET" else msgspec.json.encode(request.body)
        lines = [f"{request.method} {self._prefix + request.path or '/'} HTTP/1.1"]
        named = {**self._headers, **request.headers, **headers, "Content-Length": str(len(body))}
        lines += [f"{name}: {value}" for name, value in named.items()]
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise NotSent("a header that cannot be sent")
        return "\r\n".join((*lines, "\r\n")).encode() + body
