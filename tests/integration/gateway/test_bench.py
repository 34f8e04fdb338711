"""The bench's own parts: they load our gateway without one failed request, and count what that costs."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ops.bench import load, servers
from ops.bench.servers import Launch, Server

CLIENTS = 4

pytestmark = pytest.mark.skipif(
    shutil.which("wrk") is None or shutil.which("cc") is None, reason="wrk or a C compiler is not installed"
)


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(servers, "HOME", tmp_path)
    servers.build_upstream()
    with servers.running(servers.upstream(0.05)) as behind:
        yield behind


def test_our_gateway_answers_all_it_is_asked(upstream: Server) -> None:
    with servers.running(servers.ours(upstream.url, 1)) as gateway:
        sample = load.load(gateway, clients=CLIENTS, seconds=1)
        assert gateway.settled_memory() > 1e6
    assert 0 < sample.rate <= CLIENTS / 0.05
    assert 0.05 <= sample.p50 <= sample.p99
    assert sample.cpu > 0


def test_failures_are_not_counted_as_answers(upstream: Server) -> None:
    launch = servers.ours(upstream.url, 1)
    with servers.running(launch) as gateway:
        gateway.token = "another"
        with pytest.raises(load.LoadError, match="requests failed"):
            load.load(gateway, clients=CLIENTS, seconds=1)


def test_a_load_has_a_million_questions_of_its_own() -> None:
    asked: list[int] = []

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.extend(int(number) for number in re.findall(rb"(\d{9})\.jpg", body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as listener:
        threading.Thread(target=listener.serve_forever, args=(0.02,)).start()
        try:
            launch = Launch("listener", (), listener.server_port)
            load.load(Server(launch, os.getpid(), 0), clients=CLIENTS, seconds=1)
        finally:
            listener.shutdown()
    assert len(set(asked)) == len(asked) > CLIENTS
    assert min(asked) % 1_000_000 <= CLIENTS
