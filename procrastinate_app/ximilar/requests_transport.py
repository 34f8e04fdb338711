"""Carries calls with `requests`, where there is no event loop: the command line. Blocking and thread-safe.

It repeats nothing but a connection that was never made: which failed call is worth another one is decided in
one place only, the queue. A deadline is absolute: `requests` counts each read anew, so a watchdog shuts the
socket of a call that is still talking when its time is up.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .calls import CALL_SECONDS, CONNECT_SECONDS, MAX_ANSWER_BYTES, Call, Request, Response
from .errors import NoAnswer, Nonsense, NotSent, TimedOut

T = TypeVar("T")

_CHUNK = 64 * 1024


class RequestsTransport:
    """One bounded pool of persistent connections to one API.

    `connections` bounds the calls in flight; a further one waits for a free connection. `deadline` is
    the most seconds a whole call may take, `connect` the most for its connection. A context manager.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        connections: int = 8,
        deadline: float = CALL_SECONDS,
        connect: float = CONNECT_SECONDS,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._timeout = (connect, deadline)
        self._deadline = deadline
        self._session = requests.Session()
        # No proxies, no .netrc: an entry there would replace our Authorization header without a word.
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Token {token}", "User-Agent": "ximilar-sync"})
        adapter = _Adapter(connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(self, call: Call[T]) -> T:
        """Make the call and return its answer. Raises the errors of `ximilar.errors` and no other."""
        with _Watchdog(self._deadline) as watchdog:
            response = self._exchange(call.request, watchdog)
            watchdog.demand_whole()
        return call.read(response)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> RequestsTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, request: Request, watchdog: _Watchdog) -> Response:
        reads = request.method == "GET"
        kind = {} if reads else {"Content-Type": "application/json"}
        try:
            with self._session.request(
                request.method,
                self._api_url + request.path,
                data=None if reads else json.dumps(request.body, allow_nan=False).encode(),
                headers={**kind, **request.headers},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, headers, _read_capped(answer))
        except requests.exceptions.ContentDecodingError as error:
            raise Nonsense(_kind(error)) from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise watchdog.blame(error) from error


class _Watchdog:
    """Shuts the socket of this thread's call when its deadline has passed; knows if anything was sent."""

    _calls = threading.local()

    def __init__(self, seconds: float) -> None:
        self._sock: socket.socket | None = None
        self._bitten = False
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True
        self._timer.start()

    @classmethod
    def sending(cls, connection: HTTPConnection) -> None:
        """Note the socket of this thread's call, over which its first byte is about to leave. Raises TimeoutError."""
        if connection.sock is None:
            connection.connect()
        current: _Watchdog | None = getattr(cls._calls, "current", None)
        if current is None or current._sock is not None:
            return
        if current._bitten:
            raise TimeoutError("no connection in time")
        current._sock = connection.sock

    def blame(self, error: Exception) -> NotSent | NoAnswer:
        """Return what a broken exchange stands for: no connection, silence to the end, or a broken line."""
        if self._sock is None:
            return NotSent(_kind(error))
        timed_out = time.monotonic() >= self._ends or isinstance(error, requests.exceptions.Timeout)
        return TimedOut("no whole answer in time") if timed_out else NoAnswer(_kind(error))

    def demand_whole(self) -> None:
        """Raise TimedOut if the socket was shut: http.client may have taken that for the answer's end."""
        if self._bitten:
            raise TimedOut("no whole answer in time")

    def __enter__(self) -> _Watchdog:
        self._calls.current = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._calls.current = None

    def _bite(self) -> None:
        self._bitten = True
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


class _Answer(http.client.HTTPResponse):
    """An answer that leaves nothing behind on its connection which the next call could take for its own."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._sock = sock

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips 100 alone, headers and all; 102, 103 and those to come are no answers either
        # (RFC 9110, 15.2). After 101 the line speaks another protocol, which nobody asked for.
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise http.client.BadStatusLine("101")
        return version, http.HTTPStatus.CONTINUE if status < 200 else status, reason

    def _close_conn(self) -> None:
        # The pool looks at the socket alone: what has been read ahead, or decrypted, would go unseen.
        if _has_unread(self._sock, self.fp):
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        super()._close_conn()  # type: ignore[misc]


class _WatchedConnection(HTTPConnection):
    response_class = _Answer

    def send(self, data: Any) -> None:
        _Watchdog.sending(self)
        super().send(data)


class _WatchedTlsConnection(HTTPSConnection):
    response_class = _Answer

    def send(self, data: Any) -> None:
        _Watchdog.sending(self)
        super().send(data)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class _Adapter(HTTPAdapter):
    def __init__(self, connections: int) -> None:
        # Repeats a connection once, before anything was sent, and nothing else.
        retries = _Retry(total=1, connect=1, read=0, redirect=0, status=0, other=0)
        super().__init__(pool_connections=1, pool_maxsize=connections, pool_block=True, max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Retry(urllib3.Retry):
    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> _Retry:
        # A resolver asks each of its servers twice by itself; with three that are silent it takes 28 s.
        if isinstance(error, urllib3.exceptions.NameResolutionError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def _has_unread(sock: socket.socket, ahead: io.BufferedReader) -> bool:
    """Whether anything waits, read ahead, in TLS or in the socket, or the line is broken."""
    try:
        sock.settimeout(0)  # the next request sets its own
        return bool(ahead.peek(1))
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True


def _read_capped(answer: requests.Response) -> bytes:
    chunks, size = [], 0
    for chunk in answer.iter_content(_CHUNK):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise Nonsense(f"an answer of over {MAX_ANSWER_BYTES} bytes", code=None)
        chunks.append(chunk)
    return b"".join(chunks)


def _kind(error: BaseException) -> str:
    # The class only: the text of these exceptions quotes addresses, and through them whatever they hold.
    return type(error).__name__
