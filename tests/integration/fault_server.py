"""A server of real sockets that misbehaves in one named way per path, for tests of HTTP clients.

`GET` or `POST /ok` is the one that behaves. Every request it reads whole is counted, by path, so that a test
can say how often something was sent.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable

OK = b'{"status":{"code":200},"records":[{"_objects":[]}]}'
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"

Plan = Callable[[socket.socket, threading.Event], None]


class FaultServer:
    """Listens on a free port of 127.0.0.1 from `start` to `stop`; `tls` serves https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self.heads: list[bytes] = []
        self.connections = 0
        self.handshakes = 0
        self._made: list[socket.socket] = []
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> FaultServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        if not self._over.is_set():
            self._over.set()
            self._listener.shutdown(socket.SHUT_RDWR)  # closed alone it lives on in accept(), for one more
            self._listener.close()

    def cut_off(self) -> None:
        """End the connections made since the last time, or the start."""
        for sock in self._made:
            sock.shutdown(socket.SHUT_RDWR)
        self._made = []

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._made.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(plain)
            sock = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            stack.enter_context(sock)
            self.handshakes += 1
            sock.settimeout(20)
            while (path := self._read_request(sock)) is not None:
                name = path.lstrip("/")
                PLANS[name](sock, self._over)
                if name not in STAYS:
                    return

    def _read_request(self, sock: socket.socket) -> str | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += sock.recv(65536)
        path = head.split(b" ")[1].decode()
        self.requests[path] += 1
        self.heads.append(head)
        return path


def _answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def _reply(*args: object, **headers: str) -> Plan:
    return lambda sock, over: sock.sendall(_answer(*args, **headers))  # type: ignore[arg-type]


def _raw(data: bytes) -> Plan:
    return lambda sock, over: sock.sendall(data)


def _silence(sock: socket.socket, over: threading.Event) -> None:
    over.wait(20)


def _slow_headers(sock: socket.socket, over: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.05):
        sock.sendall(b"X-Pad: 1\r\n")


def _dribble(sock: socket.socket, over: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.05):
        sock.sendall(b" ")


def _reset(sock: socket.socket, over: threading.Event) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _huge(sock: socket.socket, over: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(256):
        sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
    sock.sendall(b"0\r\n\r\n")


def _in_pieces(sock: socket.socket, over: threading.Event) -> None:
    for byte in _answer(OK):
        sock.sendall(bytes([byte]))


def _late(first: bytes, then: bytes) -> Plan:
    def plan(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(first)
        over.wait(0.3)
        sock.sendall(then)

    return plan


def _hints_for_ever(sock: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        sock.sendall(HINTS)


# These wait for the next request on the same connection.
STAYS = {
    *("ok", "chunked", "gzip", "continue", "in-pieces", "two-answers", "answer-and-more"),
    *("hints", "hints-late", "processing-and-hints", "switch", "switch-with-a-name", "503-after-hints"),
}
PLANS: dict[str, Plan] = {
    "ok": _reply(OK),
    "ok-and-close": _reply(OK),
    "chunked": _raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(
            b"%x;by=ten\r\n%s\r\n" % (len(OK[at : at + 10]), OK[at : at + 10]) for at in range(0, len(OK), 10)
        )
        + b"0\r\nX-Trailer: 1\r\n\r\n"
    ),
    "until-the-end": _raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + OK),
    "gzip": _reply(gzip.compress(OK), Content_Encoding="gzip"),
    "continue": _raw(b"HTTP/1.1 100 Continue\r\n\r\n" + _answer(OK)),
    "nothing-but-100": _raw(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "hints": _raw(HINTS + _answer(OK)),
    "hints-late": _late(HINTS, _answer(OK)),
    "hints-for-ever": _hints_for_ever,
    "processing-and-hints": _late(b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS, _answer(OK)),
    "503-after-hints": _late(HINTS, _answer(b"", "503 Service Unavailable")),
    "switch": _raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + _answer(OK)),
    "switch-with-a-name": _raw(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + _answer(OK)
    ),
    "in-pieces": _in_pieces,
    "two-answers": _raw(_answer(OK) + _answer(b"", "503 Service Unavailable")),
    "answer-and-more": _late(
        _answer(OK) + b"HTTP/1.1 503", b" Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    ),
    "silence": _silence,
    "slow-headers": _slow_headers,
    "dribble": _dribble,
    "reset": _reset,
    "close": lambda sock, over: None,
    "cut": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "redirect": _reply(b"", "302 Found", Location="/ok"),
    "huge": _huge,
    "gzip-bomb": _reply(gzip.compress(b" " * 64 * 1024 * 1024), Content_Encoding="gzip"),
    "bad-gzip": _reply(b"this is not gzip", Content_Encoding="gzip"),
    "html": _reply(b"<html>down for maintenance</html>", Content_Type="text/html"),
    "no-http": _raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "empty": _reply(b""),
    "429": _reply(b'{"status":{"code":429,"text":"slow down"}}', "429 Too Many Requests", Retry_After="7"),
    "503": _reply(b"", "503 Service Unavailable"),
    "404": _reply(b"", "404 Not Found"),
}
