"""One HTTP/1.1 connection on asyncio that carries one exchange after the other; `httptools` reads the answers.

What is no clean answer ends the connection: the next one must not be taken for its rest.
"""

from __future__ import annotations

import asyncio
import select
import zlib
from http import HTTPStatus
from typing import cast

import httptools

from .calls import MAX_ANSWER_BYTES, Response
from .errors import NoAnswer, Nonsense, NotSent, XimilarError

# What may come with the most bytes of a body: its head, and what frames its chunks.
FRAME_BYTES = 64 * 1024
# zlib's way to ask for gzip's head and checksum.
_GZIP = 16 + zlib.MAX_WBITS


class Connection(asyncio.Protocol):
    """Made by a loop's `create_connection`. `reusable` until it has failed or its end was announced."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._kept = True
        self._transport: asyncio.Transport | None = None
        self._line = select.poll()
        self._answers = _Answers()

    @property
    def reusable(self) -> bool:
        """Whether it may carry another exchange."""
        return self._kept and self._transport is not None and not self._transport.is_closing()

    @property
    def usable(self) -> bool:
        """Whether it is reusable and nothing has come meanwhile: its end, or words that nobody asked for."""
        return self.reusable and not self._line.poll(0)

    async def exchange(self, request: bytes) -> Response:
        """Send a request and return its answer. Raises NotSent, NoAnswer, Nonsense."""
        if self._transport is None or self._transport.is_closing():
            raise NotSent("the connection was closed")
        self._kept = False  # until the answer is whole: whoever gives up leaves it half way
        self._answers.expect()
        self._transport.write(request)
        try:
            return await self._answers.answer()
        finally:
            self._kept = self._answers.let_go() and self._transport.get_write_buffer_size() == 0

    def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._line.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._answers.feed(data):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._answers.end(exc)


class _Answers:
    """Reads one answer after the other; the methods named on_* are called by the parser."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        # "Bad white space", which whoever reads has to bear (RFC 9112, 7.1.1); the one leniency of llhttp that is.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self._expected: asyncio.Future[Response] | None = None
        self._clean = False
        self._until_end = False
        self._size = 0
        self._lines: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def expect(self) -> None:
        """Take what comes from now on for an answer."""
        self._expected = asyncio.get_running_loop().create_future()
        self._clean = False
        self._size = 0

    async def answer(self) -> Response:
        """Wait for the answer that is expected. Raises NoAnswer, Nonsense."""
        assert self._expected is not None
        return await self._expected

    def let_go(self) -> bool:
        """Expect no more. Return whether the answer was whole, nothing came after it and another one may."""
        self._expected = None
        self._body = []  # it may be large, and an idle connection stays for long
        return self._clean

    def feed(self, data: bytes) -> bool:
        """Take what has arrived. Return False where nobody expected it or it is no answer."""
        if self._expected is None:
            return False
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return self._fail(NoAnswer(type(error).__name__))
        if self._size > MAX_ANSWER_BYTES + FRAME_BYTES:
            return self._fail(_too_large())
        return True

    def end(self, error: Exception | None) -> None:
        """Take it that nothing more comes, which is the end of an answer that told no length."""
        if error is None and self._until_end:
            self._complete(keeps=False)
        else:
            self._fail(NoAnswer("ConnectionLost" if error is None else type(error).__name__))
        del self._parser  # it holds on to this, and garbage of that kind is looked for seldom

    def on_message_begin(self) -> None:
        self._clean = self._until_end = False
        self._lines, self._body = [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        # Now: lines that come after the body are no headers.
        self._headers = {
            name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in self._lines
        }
        self._until_end = not self._headers.keys() & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._until_end = False
        # Below it is a word in between (RFC 9110, 15.2); the answer follows.
        if self._parser.get_status_code() >= HTTPStatus.OK:
            self._complete(keeps=self._parser.should_keep_alive())

    def _complete(self, *, keeps: bool) -> None:
        if self._expected is None or self._expected.done():
            return
        try:
            self._expected.set_result(self._response())
        except Nonsense as error:
            self._fail(error)
        else:
            self._clean = keeps

    def _response(self) -> Response:
        body = _decoded(b"".join(self._body), self._headers.get("content-encoding", "").lower())
        if len(body) > MAX_ANSWER_BYTES:
            raise _too_large()
        return Response(self._parser.get_status_code(), self._headers, body)

    def _fail(self, error: XimilarError) -> bool:
        self._clean = False
        if self._expected is not None and not self._expected.done():
            self._expected.set_exception(error)
        return False


def _decoded(body: bytes, coding: str) -> bytes:
    if coding in ("", "identity") or not body:
        return body
    if coding != "gzip":
        raise Nonsense("an answer in a coding that was not asked for")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise Nonsense("an answer that is not gzip, though it says so") from error
    if len(plain) <= MAX_ANSWER_BYTES and (not unpacker.eof or unpacker.unused_data):
        raise Nonsense("an answer of more or less than one gzip file")
    return plain


def _too_large() -> Nonsense:
    return Nonsense(f"an answer of over {MAX_ANSWER_BYTES} bytes")
