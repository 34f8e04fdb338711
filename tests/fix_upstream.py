"""A fixture that stands in for Ximilar over real sockets and answers each photo as the test says."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from procrastinate_app.ximilar.calls import MAX_ANSWER_BYTES

HELD_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it arrived; `at` by the monotonic clock."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def photo(self) -> str:
        """The address of the photo it is about."""
        return str(self.body["image"])


class Upstream:
    """The server. Photos nothing was said about are stored."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.over = threading.Event()
        self._once: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def photos(self) -> list[str]:
        """The addresses of the photos sent, in order of arrival."""
        return [request.photo for request in self.requests]

    def once(self, photo: str, *answers: Answer) -> None:
        """Give these answers to the next requests for the photo, one each."""
        self._once[photo].extend(answers)

    def always(self, photo: str, answer: Answer) -> None:
        """Give this answer whenever there is no other; "*" stands for every photo."""
        self._always[photo] = answer

    def recover(self) -> None:
        """Forget every answer."""
        self._once.clear()
        self._always.clear()

    def close(self) -> None:
        """Stop serving and let go of everybody held."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, sent: Sent) -> Answer:
        """Note a request and choose its answer."""
        self.requests.append(sent)
        with contextlib.suppress(IndexError):
            return self._once[sent.photo].popleft()
        return self._always.get(sent.photo) or self._always.get("*") or code(200)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A client that went away is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: ClassVar[Upstream]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.upstream.take(Sent(time.monotonic(), self.path, dict(self.headers.items()), body))
        answer(self)

    def reply(
        self, status: int, body: bytes, headers: Mapping[str, str], *, length: int | None = None
    ) -> None:
        """Send one whole answer, or one whose length is a lie."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


Answer = Callable[[_Handler], None]


def code(
    number: object, text: str = "", *, http: int = 200, request_id: object = "r-1", **headers: str
) -> Answer:
    """An answer whose body says `number`."""
    status = {"code": number, "text": text, "request_id": request_id}
    return raw(json.dumps({"status": status}).encode(), http=http, **headers)


def raw(body: bytes, *, http: int = 200, **headers: str) -> Answer:
    """An answer of these bytes; a header's name has underscores for its dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(http, body, named)


def truncated() -> Answer:
    """Half a JSON document, and the connection closed."""
    return lambda handler: handler.reply(200, b'{"status":{"co', {}, length=100)


def huge() -> Answer:
    """A success of over 4 MiB."""
    padding = " " * (MAX_ANSWER_BYTES + 1)
    return raw(b'{"status":{"code":200}}' + padding.encode())


def reset() -> Answer:
    """No answer: the connection is reset."""

    def break_off(handler: _Handler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True

    return break_off


def silence() -> Answer:
    """No answer while the test lasts."""

    def wait(handler: _Handler) -> None:
        handler.upstream.over.wait(HELD_SECONDS)
        handler.close_connection = True

    return wait


class Held:
    """An answer that waits for `release`; `arrived` tells that the request is there."""

    def __init__(self, answer: Answer) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()
        self._answer = answer

    def __call__(self, handler: _Handler) -> None:
        self.arrived.set()
        self.release.wait(HELD_SECONDS)
        self._answer(handler)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Ximilar, as far as one test needs it."""
    server = Upstream()
    yield server
    server.close()
