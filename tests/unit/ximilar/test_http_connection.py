"""One connection without a socket: what an answer is, where it ends, and when the connection is spent."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.calls import MAX_ANSWER_BYTES, Response
from procrastinate_app.ximilar.http_connection import Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Line:
    """Stands for the socket: keeps what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.unsent = 0
        self.near, self.far = socket.socketpair()

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self.near

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.closed = True


Drive = Callable[[Connection, Line], Awaitable[None]]


def drive(plan: Drive) -> None:
    async def run() -> None:
        connection, line = Connection(), Line()
        connection.connection_made(cast(asyncio.Transport, line))
        try:
            await plan(connection, line)
        finally:
            line.near.close()
            line.far.close()

    asyncio.run(run())


async def told(connection: Connection, *pieces: bytes, end: bool = False) -> Response:
    """Ask; let these pieces arrive, and then the connection end if `end`."""
    asking = asyncio.ensure_future(connection.exchange(b"?"))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    if end:
        connection.connection_lost(None)
    return await asking


def answer(*pieces: bytes, end: bool = False) -> Response:
    found: list[Response] = []

    async def plan(connection: Connection, _line: Line) -> None:
        found.append(await told(connection, *pieces, end=end))

    drive(plan)
    return found[0]


def test_names_are_in_lower_case_and_values_are_trimmed() -> None:
    found = answer(b"HTTP/1.1 429 Slow\r\nRETRY-After:  7  \r\nX-Empty:\r\nContent-Length: 0\r\n\r\n")
    assert found == Response(429, {"retry-after": "7", "x-empty": "", "content-length": "0"}, b"")


@pytest.mark.parametrize(
    "message",
    [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\n{\r\n1 ;a=b\r\n}\r\n0\r\nX-Late: 1\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n"
        + gzip.compress(b"{}", mtime=0),
    ],
    ids=["length", "chunked", "words in between", "gzip"],
)
def test_an_answer_is_the_same_in_one_piece_and_byte_by_byte(message: bytes) -> None:
    for pieces in ([message], [bytes([byte]) for byte in message]):
        found = answer(*pieces)
        assert (found.status, found.body) == (200, b"{}")
        assert "link" not in found.headers


def test_what_comes_after_the_body_is_no_header() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = answer(head + b"2\r\n{}\r\n0\r\nRetry-After: 7\r\nContent-Encoding: gzip\r\n\r\n")
    assert (found.headers, found.body) == ({"transfer-encoding": "chunked"}, b"{}")


def test_without_a_length_it_goes_on_to_the_end() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\n\r\n{", b"}", end=True).body == b"{}"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(message: bytes) -> None:
    with pytest.raises(errors.NoAnswer):
        answer(message, end=True)


@pytest.mark.parametrize(
    "message",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n Folded: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
    ],
    ids=["no HTTP", "two lengths", "length and chunks", "negative", "folded first", "another protocol"],
)
def test_what_two_readers_might_read_differently_is_refused(message: bytes) -> None:
    with pytest.raises(errors.NoAnswer):
        answer(message)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", b"no gzip"),
        (b"gzip", gzip.compress(b"{}")[:-4]),
        (b"gzip", gzip.compress(b" " * (MAX_ANSWER_BYTES + 1))),
        (b"br", b"{}"),
    ],
    ids=["not gzip", "half of it", "a bomb", "not asked for"],
)
def test_what_cannot_be_unpacked_is_nonsense(coding: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    with pytest.raises(errors.Nonsense):
        answer(head + body)


def test_more_than_the_most_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * 65536] * 66
    with pytest.raises(errors.Nonsense):
        answer(*endless)


def test_a_clean_answer_leaves_the_connection_for_the_next() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        for _ in range(3):
            assert (await told(connection, OK)).body == b"{}"
            assert connection.reusable
        assert line.written == [b"?"] * 3

    drive(plan)


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"H",
        OK + OK,
        OK + b"\r\nno HTTP",
    ],
    ids=["says so", "old", "the beginning of another", "another", "garbage"],
)
def test_what_ends_or_says_more_than_asked_spends_the_connection(message: bytes) -> None:
    async def plan(connection: Connection, _line: Line) -> None:
        assert (await told(connection, message)).body == b"{}"
        assert not connection.reusable

    drive(plan)


def test_an_answer_to_half_a_request_spends_the_connection() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        line.unsent = 1
        assert (await told(connection, OK)).body == b"{}"
        assert not connection.reusable

    drive(plan)


def test_whoever_gives_up_spends_the_connection() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        await told(connection, OK)
        asking = asyncio.ensure_future(connection.exchange(b"?"))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert not connection.reusable
        connection.data_received(OK)  # late, and nobody's
        assert line.closed

    drive(plan)


def test_words_nobody_asked_for_close_it() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        await told(connection, OK)
        connection.data_received(OK)
        assert line.closed
        assert not connection.reusable

    drive(plan)


def test_what_the_loop_has_not_seen_yet_is_seen() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        usable = [connection.usable]
        line.far.send(b"H")
        usable.append(connection.usable)
        line.near.recv(1)
        usable.append(connection.usable)
        line.far.close()
        usable.append(connection.usable)
        assert usable == [True, False, True, False]

    drive(plan)


def test_an_answer_leaves_no_garbage_behind() -> None:
    async def plan(connection: Connection, _line: Line) -> None:
        for _ in range(3):
            await told(connection, OK)
        gc.collect()
        gc.freeze()  # of all the session's objects, only those of these answers are looked at
        try:
            for _ in range(20):
                await told(connection, OK)
            assert gc.collect() == 0
        finally:
            gc.unfreeze()

    drive(plan)


def test_what_is_closed_already_sends_nothing() -> None:
    async def plan(connection: Connection, line: Line) -> None:
        line.closed = True
        with pytest.raises(errors.NotSent):
            await connection.exchange(b"?")
        assert line.written == []

    drive(plan)
