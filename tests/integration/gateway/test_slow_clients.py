"""Clients that stall, dribble or break the rules of HTTP, on raw sockets; the others must not notice."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from .conftest import StartGateway
from .servers import Gateway, ScriptedUpstream, wait_for

HEAD = b"POST /detect HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
BODY = b'{"url":"https://cdn.example.com/a.jpg"}'
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
CLIENTS = 500


@contextlib.contextmanager
def _siege(port: int) -> Iterator[list[socket.socket]]:
    """Hold `CLIENTS` sockets: silent, with half a head, with half a body, and dribbling."""
    beginnings = (b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n{", HEAD + b"X-Slow: ")
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(CLIENTS)]
    for number, sock in enumerate(sockets):
        sock.sendall(beginnings[number % 4])
        sock.setblocking(False)
    over = threading.Event()

    def dribble() -> None:
        while not over.wait(0.5):
            for sock in sockets[2::4] + sockets[3::4]:
                with contextlib.suppress(OSError):
                    sock.send(b"a")

    thread = threading.Thread(target=dribble, daemon=True)
    thread.start()
    try:
        yield sockets
    finally:
        over.set()
        thread.join()
        for sock in sockets:
            sock.close()


def test_stalled_and_dribbling_clients_disturb_nobody(
    start_gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    upstream.delay = 0.05
    gateway = start_gateway(GATEWAY_READ_SECONDS="5")
    assert gateway.port is not None
    with _siege(gateway.port) as sockets:
        seconds = []
        for number in range(60):
            started = time.monotonic()
            answer = gateway.post("/detect", {"url": f"https://cdn.example.com/{number}.jpg"})
            seconds.append(time.monotonic() - started)
            assert answer.status_code == 200
            assert gateway.get("/livez").status_code == 200
        assert max(seconds) < 1.0
        wait_for(lambda: all(map(_is_closed, sockets)), 12)
    assert gateway.metric("http_requests_in_progress", handler="/detect") == 0


def _is_closed(sock: socket.socket) -> bool:
    try:
        while data := sock.recv(65536):
            assert b" 408 " in data or data
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_late_body_is_408(start_gateway: StartGateway) -> None:
    gateway = start_gateway(GATEWAY_READ_SECONDS="0.5")
    answer = _talk(gateway, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_slow"


def test_client_that_takes_no_answer_is_dropped(start_gateway: StartGateway) -> None:
    gateway = start_gateway(GATEWAY_READ_SECONDS="1", WORKERS="1")
    assert gateway.port is not None
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(4000):
                sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n")
        wait_for(lambda: gateway.metric("http_requests_in_progress", handler="/openapi.json") == 0, 10)


def test_too_many_connections_are_503(start_gateway: StartGateway) -> None:
    gateway = start_gateway(GATEWAY_CONNECTIONS="20", WORKERS="1", GATEWAY_READ_SECONDS="5")
    assert gateway.port is not None
    held = [socket.create_connection(("127.0.0.1", gateway.port), timeout=10) for _ in range(20)]
    answer = _talk(gateway, LIVEZ)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in answer
    for sock in held:
        sock.close()
    wait_for(lambda: b" 200 OK" in _talk(gateway, LIVEZ))


LAST = HEAD + b"Connection: close\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
        HEAD + b"Content-Length : 39\r\n\r\n" + BODY,
        HEAD + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
        HEAD + b"X: \x00\r\n" + LENGTH + b"\r\n" + BODY,
        HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
        HEAD + b"Host: other\r\n" + LENGTH + b"\r\n" + BODY,
        b"GET /livez\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    ],
    ids=[
        *("both-lengths", "two-lengths", "space-before-colon", "folding", "nul", "negative"),
        *("two-hosts", "http-0.9", "tls"),
    ],
)
def test_broken_framing_is_400_and_the_end(shared_gateway: Gateway, request_bytes: bytes) -> None:
    second = b"POST /tag HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n"
    answer = _talk(shared_gateway, request_bytes + second)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in answer


def test_no_host_is_400_and_the_end(shared_gateway: Gateway) -> None:
    answer = _talk(shared_gateway, b"GET /livez HTTP/1.1\r\n\r\n" + LIVEZ)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer
    assert b"HTTP/1.1 200 " not in answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: g\r\n\r\n", 414),
        (b"GET /livez HTTP/1.1\r\nHost: g\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (
            b"GET /livez HTTP/1.1\r\nHost: g\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(60)) + b"\r\n",
            431,
        ),
        (LAST + b"Content-Length: 70000\r\n\r\n" + b" " * 70000, 413),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n{", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b" " * 16384 + b"\r\n") * 6, 413),
        (LAST + b"Content-Length: 1\r\nContent-Encoding: gzip\r\n\r\n{", 415),
    ],
    ids=["line", "field", "fields", "body", "announced", "chunked", "gzip"],
)
def test_limits(shared_gateway: Gateway, request_bytes: bytes, status: int) -> None:
    answer = _talk(shared_gateway, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status


def test_chunked_body_is_served(shared_gateway: Gateway) -> None:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    answer = _talk(shared_gateway, LAST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_offer_of_another_protocol_is_ignored(shared_gateway: Gateway, protocol: bytes) -> None:
    offer = b"Upgrade: %b\r\nConnection: Upgrade, close\r\nHTTP2-Settings: AAMAAABk\r\n" % protocol
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    answer = _talk(shared_gateway, b"GET /detect HTTP/1.1\r\nHost: g\r\n" + offer + key + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")


def test_large_body_still_gets_its_413(shared_gateway: Gateway) -> None:
    answer = shared_gateway.post("/detect", "a" * 3_000_000)
    assert answer.status_code == 413


def test_pipelined_requests_are_all_served(shared_gateway: Gateway) -> None:
    one = HEAD + LENGTH + b"\r\n" + BODY
    answer = _talk(shared_gateway, one + one + one.replace(b"Host:", b"Connection: close\r\nHost:"))
    assert answer.count(b"HTTP/1.1 200 ") == 3


def _talk(gateway: Gateway, request_bytes: bytes) -> bytes:
    """Send bytes and return everything that comes back until the server closes."""
    assert gateway.port is not None
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.sendall(request_bytes)
        with contextlib.suppress(ConnectionResetError):
            while data := sock.recv(65536):
                received += data
    return received
