"""A TCP proxy that misbehaves on command: it delays, holds back, cuts, resets and refuses, each way of its own.

A connection through it is two TCP connections, so what it holds back is still acknowledged by the kernel: to the
client it is a server that has frozen, not a network that is gone.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest

Way = Literal["up", "down"]
"""up: from the client to the server; down: back."""
BOTH: tuple[Way, Way] = ("up", "down")

CHUNK_BYTES = 65536
CONNECT_SECONDS = 10.0
# So often a thread that waits for bytes looks whether its connection has been ended.
LOOK_SECONDS = 0.1
AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Faults:
    """What happens to the bytes of one way."""

    delay: float = 0.0
    left: int | None = None
    passing: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Trap:
    """Waits for a client that says `pattern`, and springs before the server hears it or instead of its answer."""

    pattern: bytes
    heard: bool
    times: int
    holds: bool = False


@dataclass(slots=True, eq=False)
class _Link:
    """The two ends of one connection; `deaf` when its client is gone and the server may finish what it does."""

    client: socket.socket
    server: socket.socket
    deaf: bool = False

    def end(self, *, reset: bool) -> None:
        """End it both ways, in order or with a reset."""
        for sock in (self.client, self.server):
            _end(sock, reset=reset)


class FaultProxy:
    """Forwards `port` on `host` to `target`, a (host, port), until it is told otherwise.

    What is changed holds for the connections there are and for new ones, until `heal`. All methods are thread-safe.
    """

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._target = target
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._traps: list[_Trap] = []
        self._faults: dict[Way, _Faults] = {way: _Faults() for way in BOTH}
        self._listener: socket.socket | None = None
        self.heal()

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
        for way in ways or BOTH:
            self._faults[way].delay = seconds

    def black_hole(self, *ways: Way) -> None:
        """Hold all bytes back: nobody is told anything. After `heal` they arrive."""
        for way in ways or BOTH:
            self._faults[way].passing.clear()

    def cut_after(self, count: int, *ways: Way) -> None:
        """Reset the connection that carries the `count`-th byte from now on, once for each way."""
        for way in ways or BOTH:
            self._faults[way].left = count

    def cut_at(self, pattern: bytes, *, heard: bool = False, times: int = 1) -> None:
        """Reset the connection whose client says `pattern`.

        The server hears it first if `heard`, and its answer is lost; otherwise it never does.
        """
        self._traps.append(_Trap(pattern, heard, times))

    def hold_at(self, pattern: bytes, *, heard: bool = False) -> None:
        """Hold everything back, both ways, from the moment a client says `pattern`; the server hears it if `heard`."""
        self._traps.append(_Trap(pattern, heard, 1, holds=True))

    def cut(self) -> None:
        """Close every connection in order, as a server does that goes down."""
        for link in tuple(self._links):
            link.end(reset=False)

    def reset(self) -> None:
        """Reset every connection, as a firewall does that forgets them."""
        for link in tuple(self._links):
            link.end(reset=True)

    def refuse(self) -> None:
        """Reset every connection and refuse new ones, as a host does whose server is down."""
        if self._listener is not None:
            _end(self._listener, reset=False)
            self._listener = None
        self.reset()

    def heal(self) -> None:
        """Forward as if nothing had been."""
        self._traps.clear()
        for faults in self._faults.values():
            faults.delay, faults.left = 0.0, None
            faults.passing.set()
        if self._listener is None:
            self._listener = socket.create_server((self.host, self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        """End it, with all its connections."""
        self.heal()
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client, listener], daemon=True).start()

    def _serve(self, client: socket.socket, listener: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, CONNECT_SECONDS)
        except OSError:
            _end(client, reset=True)
            return
        link = _Link(client, server)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(LOOK_SECONDS)
        self._links.add(link)
        upwards = threading.Thread(target=self._pump, args=["up", link], daemon=True)
        upwards.start()
        self._pump("down", link)
        upwards.join()
        self._links.discard(link)
        link.end(reset=listener is not self._listener)

    def _pump(self, way: Way, link: _Link) -> None:
        source, target = (link.client, link.server) if way == "up" else (link.server, link.client)
        try:
            while chunk := _receive(source):
                if not self._pass(way, link, chunk, target):
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            if not link.deaf:
                link.end(reset=True)

    def _pass(self, way: Way, link: _Link, chunk: bytes, target: socket.socket) -> bool:
        """Hand a chunk on, or not. Returns whether the connection goes on."""
        faults = self._faults[way]
        time.sleep(faults.delay)
        faults.passing.wait()
        trap = self._sprung(chunk) if way == "up" else None
        if trap is not None and trap.holds:
            self._hold(trap, link, chunk)
            return True
        if trap is None or trap.heard:
            _send(target, chunk[: faults.left])
        if trap is not None and trap.heard:
            # The server says its answer to nobody, and its end is closed when it has.
            link.deaf = True
            _end(link.client, reset=True)
            target.shutdown(socket.SHUT_WR)
        elif trap is not None or self._used_up(faults, len(chunk)):
            link.end(reset=True)
        else:
            return True
        return False

    def _hold(self, trap: _Trap, link: _Link, chunk: bytes) -> None:
        self.black_hole()
        if not trap.heard:
            self._faults["up"].passing.wait()
        _send(link.server, chunk)

    def _sprung(self, chunk: bytes) -> _Trap | None:
        with self._lock:
            for trap in self._traps:
                if trap.pattern in chunk:
                    trap.times -= 1
                    if trap.times == 0:
                        self._traps.remove(trap)
                    return trap
        return None

    def _used_up(self, faults: _Faults, count: int) -> bool:
        with self._lock:
            if faults.left is None:
                return False
            faults.left -= count
            if faults.left > 0:
                return False
            faults.left = None
            return True


def _receive(sock: socket.socket) -> bytes:
    while True:
        with contextlib.suppress(TimeoutError):
            return sock.recv(CHUNK_BYTES)


def _send(sock: socket.socket, data: bytes) -> None:
    while data:
        with contextlib.suppress(TimeoutError):
            data = data[sock.send(data) :]


def _end(sock: socket.socket, *, reset: bool) -> None:
    with contextlib.suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        else:
            sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@pytest.fixture
def start_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Starts proxies: start_proxy(url) stands in front of what the URL names."""
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
