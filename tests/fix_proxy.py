"""A TCP proxy that misbehaves on command: it delays, holds back, cuts, resets and refuses, each way of its own.

A connection through it is two TCP connections, so what it holds back is still acknowledged by the kernel: to the
client it is a server that has frozen, not a network that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import pytest

T = TypeVar("T")

Way = Literal["up", "down"]
"""up: from the client to the server; down: back."""
BOTH: tuple[Way, Way] = ("up", "down")

CHUNK_BYTES = 65536
CALL_SECONDS = 10.0
AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Faults:
    """What happens to the bytes of one way."""

    delay: float = 0.0
    left: int | None = None
    passing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.passing.set()


@dataclass(slots=True)
class _Trap:
    """Resets the connection that says `pattern`, before the server hears it or instead of its answer."""

    pattern: bytes
    heard: bool
    times: int


@dataclass(frozen=True, slots=True)
class _Link:
    """The two ends of one connection."""

    to_client: asyncio.StreamWriter
    to_server: asyncio.StreamWriter

    def end(self, *, reset: bool) -> None:
        """End it both ways, in order or with a reset."""
        for writer in (self.to_client, self.to_server):
            if not reset:
                writer.close()
                continue
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            writer.transport.abort()


class FaultProxy:
    """Forwards `port` on `host` to `target`, a (host, port), until it is told otherwise. All methods are thread-safe.

    What is changed holds for the connections there are and for new ones, until `heal`.
    """

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._traps: list[_Trap] = []
        self._faults: dict[Way, _Faults] = {}
        self._thread.start()
        self._do(self._begin())

    def address(self, url: str) -> str:
        """`url` with this proxy's host and port in place of the server's."""
        parts = urlsplit(url)
        login, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}{at}{self.host}:{self.port}").geturl()

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        return len(self._links)

    @property
    def caught(self) -> bool:
        """Whether every trap has sprung as often as it was set."""
        return not self._traps

    def delay(self, seconds: float, *ways: Way) -> None:
        """Hand every chunk on so much later; of one way, or of both."""
        self._change(lambda faults: setattr(faults, "delay", seconds), ways)

    def black_hole(self, *ways: Way) -> None:
        """Hold all bytes back: nobody is told anything. After `heal` they arrive."""
        self._change(lambda faults: faults.passing.clear(), ways)

    def cut_after(self, count: int, *ways: Way) -> None:
        """Reset the connection that carries the `count`-th byte from now on, once for each way."""
        self._change(lambda faults: setattr(faults, "left", count), ways)

    def cut_at(self, pattern: bytes, *, heard: bool = False, times: int = 1) -> None:
        """Reset the connection whose client says `pattern`.

        The server hears it first if `heard`, and its answer is lost; otherwise it never does.
        """
        self._do(self._soon(lambda: self._traps.append(_Trap(pattern, heard, times))))

    def cut(self) -> None:
        """Close every connection in order, as a server does that goes down."""
        self._do(self._soon(lambda: self._end_links(reset=False)))

    def reset(self) -> None:
        """Reset every connection, as a firewall does that forgets them."""
        self._do(self._soon(lambda: self._end_links(reset=True)))

    def refuse(self) -> None:
        """Reset every connection and refuse new ones, as a host does whose server is down."""
        self._do(self._stop_listening())
        self.reset()

    def heal(self) -> None:
        """Forward as if nothing had been."""
        self._do(self._heal())

    def close(self) -> None:
        """End it, with all its connections."""
        self._do(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _soon(self, change: Callable[[], None]) -> None:
        change()

    def _change(self, change: Callable[[_Faults], None], ways: tuple[Way, ...]) -> None:
        def change_all() -> None:
            for way in ways or BOTH:
                change(self._faults[way])

        self._do(self._soon(change_all))

    async def _begin(self) -> None:
        self._faults = {way: _Faults() for way in BOTH}
        await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _heal(self) -> None:
        self._traps.clear()
        for faults in self._faults.values():
            faults.delay, faults.left = 0.0, None
            faults.passing.set()
        if self._server is None:
            await self._listen()

    async def _finish(self) -> None:
        await self._stop_listening()
        self._end_links(reset=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next round

    def _end_links(self, *, reset: bool) -> None:
        for link in tuple(self._links):
            link.end(reset=reset)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _Link(to_client, to_client).end(reset=True)
            return
        link = _Link(to_client, to_server)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump("up", client, link), self._pump("down", server, link))
        finally:
            self._links.discard(link)
            link.end(reset=False)

    async def _pump(self, way: Way, source: asyncio.StreamReader, link: _Link) -> None:
        target, faults = link.to_server if way == "up" else link.to_client, self._faults[way]
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await asyncio.sleep(faults.delay)
                await faults.passing.wait()
                trap = self._sprung(chunk) if way == "up" else None
                if trap is not None and not trap.heard:
                    break
                target.write(chunk[: faults.left])
                await target.drain()
                if trap is not None:
                    # The server answers nobody; its end of the connection goes when it has.
                    link.to_client.transport.abort()
                elif self._used_up(faults, len(chunk)):
                    break
            else:
                target.close()
                return
        link.end(reset=True)

    def _sprung(self, chunk: bytes) -> _Trap | None:
        for trap in self._traps:
            if trap.pattern in chunk:
                trap.times -= 1
                if trap.times == 0:
                    self._traps.remove(trap)
                return trap
        return None

    def _used_up(self, faults: _Faults, count: int) -> bool:
        if faults.left is None:
            return False
        faults.left -= count
        if faults.left > 0:
            return False
        faults.left = None
        return True


@pytest.fixture
def proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Starts proxies: proxy(url) stands in front of what the URL names."""
    proxies: list[FaultProxy] = []

    def start(url: str) -> FaultProxy:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        proxies.append(FaultProxy((parts.hostname, parts.port)))
        return proxies[-1]

    yield start
    for started in proxies:
        started.close()
