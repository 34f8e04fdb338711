"""gunicorn's asgi worker with what a server that faces slow clients and reloads under load needs.

It adds to it: an absolute time for a request's head, a limit of connections, answers in problem+json where
gunicorn itself refuses a request, a close that does not cut off the answer, and an end that announces itself:
gunicorn may close a connection right after an answer that promised to keep it, and the next request is lost.
The classes it extends are gunicorn's own, not a promised interface: the tests in
tests/integration/gateway/test_lifetime.py and test_slow_clients.py are what says that it still holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]
from gunicorn.workers import gasgi  # type: ignore[import-untyped]

from .exchange import new_request_id
from .problems import MEDIA_TYPE, Problem

LINGER_SECONDS = 1.0
IDLE_SECONDS = 1.0  # for idle connections, once this process is leaving
_TICK_SECONDS = 0.05
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_WORDS = {
    408: ("too_slow", "The request did not arrive in time."),
    414: ("uri_too_long", "The address of this request is too long."),
    431: ("headers_too_large", "The headers of this request are too large."),
    501: ("not_implemented", "This transfer coding is not understood."),
    503: ("too_busy", "This gateway has too many connections."),
}


class GatewayProtocol(ASGIProtocol):  # type: ignore[misc]
    """One client connection."""

    _closed: bool

    def __init__(self, worker: GatewayWorker) -> None:
        super().__init__(worker)
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.worker.connections.add(self)
        if len(self.worker.connections) > self.worker.worker_connections:
            self._send_error_response(503, "", (("Retry-After", "1"),))
            self._close_transport()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._closed or self._request_ready is None:
            return
        if self._request_ready.is_set():
            self._head_is_here()
        elif self._patience is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.worker.connections.discard(self)
        self._head_is_here()
        for timer in (self._stalled, self._closing):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self._later(self.worker.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def leave(self) -> None:
        """Close soon if idle; a request that comes before that is served, and told that it was the last."""
        if self._awaiting_request and self._patience is None:
            self._cancel_keepalive_timer()
            self._keepalive_handle = self._later(IDLE_SECONDS, self._keepalive_timeout)

    def _wait_for_head(self) -> None:
        self._patience = self._later(self.worker.read_seconds, self._too_slow)

    def _head_is_here(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._patience = None
        self._send_error_response(408, "")
        self._keepalive_timeout()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        # Whoever leaves out Host has lost the thread: the next request may be the rest of this one.
        # (Their bytes: to read a header as text makes text of them all.)
        hostless = request.version == (1, 1) and all(name != b"host" for name, _ in request.headers_bytes)
        return hostless or self.worker.leaving or bool(super()._will_close(request, response_requires_close))

    def _is_websocket_upgrade(self, _request: Any) -> bool:
        # An offer to change protocols may be ignored (RFC 9110, 7.8); there are no WebSockets here.
        return False

    def _send_error_response(self, status: int, _message: str, extra_headers: Any = ()) -> None:
        # gunicorn's message may quote the request; ours is constant.
        code, detail = _WORDS.get(status, ("malformed_request", "This is not a request of HTTP/1.1."))
        request_id = new_request_id()
        body = Problem(status, code, detail).body(request_id)
        named = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
        named += [("X-Request-ID", request_id), *extra_headers, ("Connection", "close")]
        head = "".join(f"{name}: {value}\r\n" for name, value in named)
        reason = self._get_reason_phrase(status)
        self._safe_write(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body)

    def _close_transport(self) -> None:
        """Close, after a moment where input is left unread: closing at once would take the answer back."""
        if self.transport is None or self._closed:
            return
        receiver = self._body_receiver
        whole = self._current_request is not None and (receiver is None or receiver._complete)
        if whole:
            super()._close_transport()
            patience = self.worker.read_seconds
        else:
            self._closed = True
            self._callback_parser = None  # what still comes is thrown away
            if self.transport.can_write_eof():
                self.transport.write_eof()
            patience = LINGER_SECONDS
        self._closing = self._later(patience, self.transport.abort)

    def _later(self, seconds: float, callback: Any) -> asyncio.TimerHandle:
        handle: asyncio.TimerHandle = self.worker.loop.call_later(seconds, callback)
        return handle


class GatewayWorker(gasgi.ASGIWorker):  # type: ignore[misc]
    """One process. `leaving` is set from the moment it is to end until its connections have."""

    max_requests: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[GatewayProtocol] = set()
        self.leaving = False
        self._serving: asyncio.Task[None] | None = None
        self._told_to_end = False
        # Counted here: gunicorn's own counting ends a process without announcing it on its connections.
        self._last_request = self.max_requests
        self.max_requests = sys.maxsize

    @property
    def read_seconds(self) -> float:
        """The most seconds a client may take to send a request's head, or to take some of an answer."""
        seconds: float = self.asgi.read_seconds
        return seconds

    def init_process(self) -> None:
        gasgi.ASGIProtocol = GatewayProtocol
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # The loop's handlers do not hear a signal before the loop runs, and gunicorn sends it only once.
        for number in _ENDS:
            signal.signal(number, self._end_before_start)

    def notify(self) -> None:
        """gunicorn's heartbeat, each second."""
        super().notify()
        if self._serving is None and self.servers:
            self._serving = asyncio.current_task()
            self._settle()
        if self.nr >= self._last_request and not self.leaving:
            self.log.info("Worker has served %d requests and is replaced", self.nr)
            self.handle_exit_signal()

    def handle_exit_signal(self) -> None:
        """SIGTERM: finish what is there, then end."""
        if not self.leaving:
            self.leaving = True
            self.state["draining"] = True
            self.loop.create_task(self._leave())

    def _settle(self) -> None:
        for sock in self.sockets:  # asyncio has cut the backlog to 100
            sock.sock.listen(self.cfg.backlog)
        super().init_signals()
        if self._told_to_end:
            self.handle_exit_signal()

    def _end_before_start(self, _number: int, _frame: object) -> None:
        self._told_to_end = True
        if not self.loop.is_running():
            sys.exit(0)

    async def _leave(self) -> None:
        waiting = self._accepted()
        for server in self.servers:
            server.close()
        for sock in waiting:
            await self.loop.connect_accepted_socket(lambda: GatewayProtocol(self), sock)
        for connection in tuple(self.connections):
            connection.leave()
        ends = self.loop.time() + self.cfg.graceful_timeout
        while self.connections and self.loop.time() < ends:
            await asyncio.sleep(_TICK_SECONDS)
        self.alive = False
        if self._serving is not None:
            self._serving.cancel()  # out of its sleep of a second; it takes that for the end

    def _accepted(self) -> list[socket.socket]:
        """Accept who is connected already: the last process to close the listener resets them, request and all."""
        found = []
        for listener in self.sockets:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.sock.accept()
                    sock.setblocking(False)
                    found.append(sock)
        return found
