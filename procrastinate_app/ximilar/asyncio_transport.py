"""Carries calls on asyncio, for the worker and the gateway: one bounded pool of persistent connections, on one loop.

It means the same by a deadline, a size cap and each error as `requests_transport`; one test suite runs over
both. It repeats nothing but a connection that was never made. General HTTP clients took a quarter of the time of a
request of the gateway's, and a third of that of a product in the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from .calls import CALL_SECONDS, CONNECT_SECONDS, Call, Request
from .errors import NotSent, TimedOut
from .http_pool import Pool

T = TypeVar("T")
Leave = Callable[[], Awaitable[None]]

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
        user_agent: str = "ximilar-sync",
    ) -> None:
        parts = urlsplit(api_url.rstrip("/"))
        self._prefix = parts.path
        self._headers = {
            "Host": parts.netloc.rpartition("@")[2],
            **({} if token is None else {"Authorization": f"Token {token}"}),
            "User-Agent": user_agent,
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
        self,
        call: Call[T],
        *,
        permit: Leave | None = None,
        deadline: float | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> T:
        """Make the call and return its answer. Raises the errors of `ximilar.errors` and no other.

        `permit` is awaited once there is a connection, before the first byte leaves: the deadline stands still
        meanwhile, and what it raises is raised here. `deadline` (seconds from now) replaces the transport's if it is
        shorter; `headers` join the call's.
        """
        request = self._written(call.request, headers)
        seconds = self._deadline if deadline is None else min(deadline, self._deadline)
        connection, leaves = None, False
        try:
            async with asyncio.timeout(seconds) as timer:
                connection = await self._pool.take()
                if permit is not None:
                    await _standing_still(timer, permit)
                    if not connection.usable:
                        # Lost meanwhile, it seems. Once only: who ends each connection at once is not to be stormed.
                        connection = await self._pool.renewed(connection)
                        await _standing_still(timer, permit)
                leaves = True
                response = await connection.exchange(request)
        except TimeoutError as error:
            if not timer.expired():
                raise  # it is the permit's
            raise (TimedOut if leaves else NotSent)("no whole answer in time") from error
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


async def _standing_still(timer: asyncio.Timeout, permit: Leave) -> None:
    """Wait for leave, with the deadline put off for as long."""
    ends, loop = timer.when(), asyncio.get_running_loop()
    assert ends is not None
    left = ends - loop.time()
    timer.reschedule(None)
    await permit()
    timer.reschedule(loop.time() + left)
