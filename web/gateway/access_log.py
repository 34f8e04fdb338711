"""One line a request on stdout, as JSON or text, gathered for a moment and written in few system calls.

It never stops the event loop: a pipe that nobody empties is left alone, and lines beyond 1 MiB are dropped
and counted. Pieces are at most 4 KiB, which Linux writes to a pipe whole even if several processes share it.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from .exchange import Exchange

FLUSH_SECONDS = 0.1
PIECE_BYTES = 4096  # PIPE_BUF on Linux
MAX_HELD_BYTES = 1024 * 1024
QUIET = frozenset({"/health", "/livez", "/readyz", "/metrics"})


class Line(msgspec.Struct, omit_defaults=True):
    """What is told of a request; `cache` and `upstream_seconds` if it asked Ximilar, `caller` if known."""

    timestamp: datetime
    event: str
    level: str
    method: str
    path: str
    status: int
    seconds: float
    bytes: int
    client: str
    request_id: str
    logger: str = "gateway.access"
    upstream_seconds: float | None = None
    cache: str | None = None
    caller: str | None = None


class AccessLog:
    """Writes to file descriptor `fd`, as `text` or JSON, if `enabled`.

    Health checks that succeed are left out unless `verbose`. `on_drop` is called for each line that is lost.
    """

    def __init__(
        self,
        *,
        enabled: bool = True,
        text: bool = False,
        verbose: bool = False,
        fd: int = 1,
        on_drop: Callable[[], object] = lambda: None,
    ) -> None:
        self._enabled = enabled
        self._text = text
        self._quiet = frozenset() if verbose else QUIET
        self._fd = fd
        self._on_drop = on_drop
        self._encode = msgspec.json.Encoder().encode
        self._lines: deque[bytes] = deque()
        self._held = 0
        self._flush_planned = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Note one request; its line is written within a moment."""
        if not self._enabled or (status < 400 and exchange.handler in self._quiet):
            return
        line = self._encode(_line(exchange, status, seconds))
        if self._text:
            line = as_text(line)
        self._lines.append(line + b"\n")
        self._held += len(line) + 1
        while self._held > MAX_HELD_BYTES:
            self._held -= len(self._lines.popleft())
            self._on_drop()
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_later)

    def flush(self) -> None:
        """Write what can be written without waiting."""
        while self._lines and self._writable():
            piece = self._piece()
            try:
                os.write(self._fd, piece)
            except OSError:
                return  # stdout is gone; there is nowhere left to say so

    def _flush_later(self) -> None:
        self._flush_planned = False
        self.flush()
        if self._lines:
            self._flush_planned = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_later)

    def _writable(self) -> bool:
        return any(event & select.POLLOUT for _, event in self._poll.poll(0))

    def _piece(self) -> bytes:
        piece = self._lines.popleft()
        while self._lines and len(piece) + len(self._lines[0]) <= PIECE_BYTES:
            piece += self._lines.popleft()
        self._held -= len(piece)
        return piece


def as_text(line: bytes) -> bytes:
    """Return a JSON line as `key=value` words, for a terminal."""
    facts = msgspec.json.decode(line)
    start = f"{facts.pop('timestamp')} {facts.pop('event')}"
    return " ".join((start, *(f"{name}={value}" for name, value in facts.items()))).encode()


def _line(exchange: Exchange, status: int, seconds: float) -> Line:
    return Line(
        timestamp=datetime.now(UTC),
        event="request",
        level="info" if status < 500 else "warning",
        method=exchange.method,
        path=exchange.path[:200],
        status=status,
        seconds=round(seconds, 6),
        bytes=exchange.sent,
        client=exchange.client,
        request_id=exchange.request_id,
        upstream_seconds=round(exchange.upstream_seconds, 6) if exchange.cache is not None else None,
        cache=exchange.cache,
        caller=exchange.caller,
    )
