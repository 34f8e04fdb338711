"""Carries calls with `aiohttp`, for the gateway: one bounded pool of persistent connections, on one loop.

It means the same by a deadline, a size cap and each error as `requests_transport`; one test suite runs over
both. It repeats nothing but a connection that was never made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter

from .calls import CALL_SECONDS, CONNECT_SECONDS, MAX_ANSWER_BYTES, Call, Request, Response
from .errors import NoAnswer, Nonsense, NotSent, TimedOut

T = TypeVar("T")

_NO_HEADERS: Mapping[str, str] = {}


class AiohttpTransport:
    """At most `connections` calls in flight; a further one waits for a free connection within its deadline.

    `deadline` is the most seconds a whole call may take, `connect` the most for its connection. An async
    context manager, to be entered on the loop it is used on.
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
        self._headers = {
            "Authorization": f"Token {token}",
            "User-Agent": "ximilar-gateway",
            "Content-Type": "application/json",
        }
        self._connections = connections
        self._deadline = deadline
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect)
        self._connector: aiohttp.TCPConnector | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AiohttpTransport:
        self._connector = aiohttp.TCPConnector(limit=self._connections)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            headers=self._headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            # No proxies, no .netrc: an entry there would replace our Authorization header without a word.
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def busy_connections(self) -> int:
        """Connections that carry a call at this moment."""
        return len(self._connector._acquired) if self._connector is not None else 0

    async def send(
        self, call: Call[T], *, deadline: float | None = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> T:
        """Make the call and return its answer. Raises the errors of `ximilar.errors` and no other.

        `deadline` (seconds from now) replaces the transport's if it is shorter; `headers` join the call's.
        """
        request = call.request
        parcel = _Parcel(b"" if request.method == "GET" else msgspec.json.encode(request.body))
        seconds = self._deadline if deadline is None else min(deadline, self._deadline)
        try:
            async with asyncio.timeout(seconds):
                response = await self._exchange(request, parcel, headers)
        except TimeoutError as error:
            raise (TimedOut if parcel.left else NotSent)("no whole answer in time") from error
        return call.read(response)

    async def _exchange(self, request: Request, parcel: _Parcel, headers: Mapping[str, str]) -> Response:
        try:
            return await self._once(request, parcel, headers)
        except NotSent:
            return await self._once(request, parcel, headers)

    async def _once(self, request: Request, parcel: _Parcel, headers: Mapping[str, str]) -> Response:
        assert self._session is not None, "enter the transport first"
        try:
            async with self._session.request(
                request.method,
                self._api_url + request.path,
                data=_Body(parcel),
                headers={**request.headers, **headers},
                allow_redirects=False,
            ) as answer:
                body = await _read_capped(answer)
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, found, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _fault(error, parcel) from error


class _Parcel:
    """The bytes of one request, and whether any of them may have left."""

    __slots__ = ("content", "left")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.left = False


class _Body(aiohttp.BytesPayload):
    """Notes that the request is about to leave; aiohttp's own exceptions do not always tell."""

    def __init__(self, parcel: _Parcel) -> None:
        super().__init__(parcel.content, content_type="application/json")
        self._parcel = parcel

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._parcel.left = True
        await super().write_with_length(writer, content_length)


def _fault(error: Exception, parcel: _Parcel) -> NotSent | NoAnswer | Nonsense:
    # The class only: the text of these exceptions quotes addresses, and through them whatever they hold.
    kind = type(error).__name__
    if not parcel.left:
        return NotSent(kind)
    if isinstance(error, aiohttp.ClientPayloadError) and isinstance(
        error.__cause__, aiohttp.http_exceptions.ContentEncodingError
    ):
        return Nonsense(kind)
    return NoAnswer(kind)


async def _read_capped(answer: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise Nonsense(f"an answer of over {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
