"""The connections to one HTTP server: so many at most, kept for a while where they are idle."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohappyeyeballs

from .errors import NotSent
from .http_connection import Connection

IDLE_SECONDS = 15.0  # servers wait for longer, so that it is seldom they who close one just as it is taken
NAME_SECONDS = 10.0  # how long the addresses of a name are remembered
NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305, 5

T = TypeVar("T")
_Addresses = list[tuple[Any, ...]]
# A time that has run out is an OSError; a RuntimeError may be uvloop's.
_FAILURES = (OSError, ValueError, RuntimeError)


class Pool:
    """At most `limit` connections to the server of `url`, to be used on one loop.

    Each has `connect` seconds to be made, from when the server's name has been found.
    """

    def __init__(self, url: str, *, limit: int, connect: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = _tls() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._connect_seconds = connect
        self._room = asyncio.Semaphore(limit)
        # The one used last is taken first, so that the others grow old.
        self._idle: deque[Connection] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._look_up: asyncio.Task[_Addresses] | None = None
        self._found_at = 0.0
        self._closed = False
        self.busy = 0

    async def take(self) -> Connection:
        """Return a connection, to be given back, as soon as one may be had. Raises NotSent if none can be made."""
        await self._room.acquire()
        self.busy += 1
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and _fresh(connection):
                return connection
            connection.close()
        try:
            return await self._connected()
        except BaseException:
            self._leave()
            raise

    async def renewed(self, connection: Connection) -> Connection:
        """Make one in the place of a connection that was lost, if it was. Raises NotSent if none can be made."""
        # What has come may be TLS's own, a ticket: asyncio has read it in the second turn at the latest.
        for _ in range(2):
            await asyncio.sleep(0)
        if connection.usable:
            return connection
        connection.close()
        return await self._connected()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next one, or close it where it is spent."""
        self._leave()
        if self._closed or not connection.reusable:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweep_later()

    def close(self) -> None:
        """Close those that are idle, and others when they are given back."""
        self._closed = True
        self.drop_idle()
        if self._look_up is not None:
            self._look_up.cancel()

    def drop_idle(self) -> None:
        """Close those that are idle."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _leave(self) -> None:
        self.busy -= 1
        self._room.release()

    async def _connected(self) -> Connection:
        try:
            found = await self._addresses()  # once: the resolver has repeated its question itself
            with contextlib.suppress(*_FAILURES):
                return await self._in_time(self._made(found))
            # The one thing that is safe to repeat, whatever it was.
            return await self._in_time(self._made(found))
        except _FAILURES as error:
            if self._look_up is not None and self._look_up.done():
                self._look_up = None  # the addresses may have changed
            # The class only: the text of these exceptions quotes addresses, and through them whatever they hold.
            raise NotSent(type(error).__name__) from error

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(self._connect_seconds):
            return await work

    async def _addresses(self) -> _Addresses:
        """One look-up for all who wait; it goes on when they leave, so that a slow one is of use to the next."""
        look_up = self._look_up
        if look_up is None or (look_up.done() and time.monotonic() >= self._found_at + NAME_SECONDS):
            look_up = self._look_up = asyncio.create_task(self._looked_up())
            look_up.add_done_callback(_look_at)
        return await asyncio.shield(look_up)

    async def _looked_up(self) -> _Addresses:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        self._found_at = time.monotonic()
        return found

    async def _made(self, addresses: _Addresses) -> Connection:
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1
        )
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, sock=sock, ssl=self._tls, server_hostname=self._host if self._tls else None
        )
        return connection

    def _sweep_later(self) -> None:
        due = self._idle[0].idle_since + IDLE_SECONDS - time.monotonic()
        self._sweeper = asyncio.get_running_loop().call_later(max(due, 0), self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        while self._idle and not (self._idle[0].reusable and _fresh(self._idle[0])):
            self._idle.popleft().close()
        if self._idle:
            self._sweep_later()


def _fresh(connection: Connection) -> bool:
    return time.monotonic() < connection.idle_since + IDLE_SECONDS


def _look_at(done: asyncio.Task[Any]) -> None:
    """Look at an exception, or asyncio would report it as lost where everybody who waited has left."""
    if not done.cancelled():
        done.exception()


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
