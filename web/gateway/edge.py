"""The outermost layer of the application: what happens to every request, whatever it asks for.

It admits (deadline, token, size, type), reads the body against a clock, counts, times and logs. Falcon waits
for the first part of a body before it runs anything, which is too late to turn a stranger or a slow sender
away; so this is plain ASGI around it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from procrastinate_app import tracing

from .access_log import AccessLog
from .callers import Callers
from .exchange import ROUTES, Exchange, Scope
from .metrics import Metrics
from .problems import MEDIA_TYPE, Problem
from .questions import MAX_BODY_BYTES

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_GONE = 499  # nginx's code for a client that left before its answer; only in metrics and the log

_COMMON_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"server", b"ximilar-gateway"),  # else gunicorn names itself
]
_JSON_TYPES = frozenset((b"", b"application/json", b"application/json;charset=utf-8"))


class ClientGone(Exception):
    """The client left before it had sent its request."""


class Edge:
    """Wraps `app`. `callers` is None where nobody is asked for a token; a body has `read_seconds` to come."""

    def __init__(
        self,
        app: Application,
        metrics: Metrics,
        access_log: AccessLog,
        callers: Callers | None,
        *,
        deadline: float,
        read_seconds: float,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._access_log = access_log
        self._callers = callers
        self._deadline = deadline
        self.read_seconds = read_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope["exchange"] = Exchange(scope, time.monotonic(), self._deadline)
        in_progress = self._metrics.in_progress[exchange.method, exchange.handler]
        in_progress.inc()
        try:
            await self._serve(exchange, scope, receive, _Answering(exchange, send))
        finally:
            in_progress.dec()
            self._finish(exchange)

    async def _serve(self, exchange: Exchange, scope: Scope, receive: Receive, send: _Answering) -> None:
        try:
            self._admit(exchange, scope)
            if exchange.handler in ROUTES and exchange.method == "POST":
                exchange.body = await _read(receive, self.read_seconds)
        except Problem as problem:
            await send.problem(problem)
        except ClientGone:
            pass
        else:
            await self._traced(exchange, scope, send)

    async def _traced(self, exchange: Exchange, scope: Scope, send: _Answering) -> None:
        name = f"{exchange.method} {exchange.handler}"
        with tracing.span(name, kind="server", parent=exchange.upstream_headers) as span:
            exchange.upstream_headers = tracing.headers() or exchange.upstream_headers
            await self._app(scope, _nothing_more, send)
            span.set(status=exchange.status, request_id=exchange.request_id, cache=exchange.cache)

    def _admit(self, exchange: Exchange, scope: Scope) -> None:
        headers = exchange.headers
        if b"host" not in headers and scope["http_version"] == "1.1":
            raise Problem(400, "no_host", "A request of HTTP/1.1 needs a Host header.")
        if exchange.handler not in ROUTES:
            return
        exchange.obey_timeout(self._deadline)
        if self._callers is not None:
            exchange.caller = self._authenticated(self._callers, scope)
        if exchange.method == "POST":
            _demand_json(headers)

    def _authenticated(self, callers: Callers, scope: Scope) -> str:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        name = callers.name_of(given[0]) if len(given) == 1 else None
        if name is None:
            self._metrics.unauthorized.inc()
            raise Problem(
                401,
                "unauthorized",
                "A valid bearer token is needed.",
                headers={"WWW-Authenticate": 'Bearer realm="ximilar-gateway"'},
            )
        return name

    def _finish(self, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        status = exchange.status or CLIENT_GONE
        self._metrics.requests[exchange.method, f"{status // 100}xx", exchange.handler].inc()
        self._metrics.seconds[exchange.method, exchange.handler].observe(seconds)
        self._access_log.write(exchange, status, seconds)


class _Answering:
    """The ASGI `send` of one exchange: notes status and size, and adds the headers that every answer has."""

    __slots__ = ("_exchange", "_send")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            message["headers"] = [*message["headers"], *self._own_headers()]
        else:
            self._exchange.sent += len(message.get("body", b""))
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        """Answer with a problem."""
        body = problem.body(self._exchange.request_id)
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        exchange = self._exchange
        headers = [
            (b"x-request-id", exchange.request_id.encode()),
            (b"cache-control", exchange.cache_control),
            *_COMMON_HEADERS,
        ]
        if exchange.cache is not None:
            headers.append((b"x-cache", exchange.cache.encode()))
        return headers


def _demand_json(headers: Mapping[bytes, bytes]) -> None:
    if int(headers.get(b"content-length", b"0")) > MAX_BODY_BYTES:
        raise _too_large()
    coding = headers.get(b"content-encoding", b"identity").lower()
    kind = headers.get(b"content-type", b"").lower().replace(b" ", b"").replace(b'"', b"")
    if coding != b"identity" or kind not in _JSON_TYPES:
        detail = "The body must be application/json in UTF-8, not compressed."
        raise Problem(415, "unsupported_media_type", detail)


async def _read(receive: Receive, seconds: float) -> bytes:
    """Return the whole body. Raises Problem if it is too large or too slow, ClientGone if it breaks off."""
    body: bytes = b""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        # One clock for each part: in Python 3.11 gunicorn's receive (asyncio.wait_for) may swallow a
        # cancellation that comes together with data, and one clock around them all would be lost with it.
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError:
            break
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            return body
    raise Problem(408, "too_slow", f"The body did not arrive within {seconds:g} seconds.")


def _too_large() -> Problem:
    return Problem(413, "too_large", f"The body must be at most {MAX_BODY_BYTES} bytes.")


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
