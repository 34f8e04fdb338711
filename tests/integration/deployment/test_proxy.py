"""HAProxy with the project's configuration, in front of two gateways that are only doors."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ops.local.loopback import HOST
from tests import haproxy
from tests.fix_system import wait_until


class Gateway:
    """Answers /readyz as a gateway does, and POST with its name; counts what it was asked."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name, self.posts, self.ready = name, 0, True
        handler = type("Handler", (_Handler,), {"gateway": self})
        self._server = http.server.ThreadingHTTPServer((HOST, port), handler)
        self.address = f"{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    gateway: Gateway

    def do_GET(self) -> None:
        self._answer(200 if self.gateway.ready else 503)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.gateway.posts += 1
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(self.gateway.name)))
        self.end_headers()
        self.wfile.write(self.gateway.name.encode())

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def gateways() -> Iterator[tuple[Gateway, Gateway]]:
    one, two = Gateway("one"), Gateway("two")
    yield one, two
    for gateway in (one, two):
        with contextlib.suppress(OSError):
            gateway.close()


@pytest.fixture
def proxy(gateways: tuple[Gateway, Gateway]) -> Iterator[str]:
    """The proxy's base URL."""
    with haproxy.running(gateways[0].address, gateways[1].address) as url:
        yield url


def ask(proxy: str, times: int = 1) -> list[str]:
    answers = [requests.post(f"{proxy}/detect", json={"url": "u"}, timeout=10) for _ in range(times)]
    assert [answer.status_code for answer in answers] == [200] * times
    return [answer.text for answer in answers]


def test_both_gateways_are_asked(proxy: str, gateways: tuple[Gateway, Gateway]) -> None:
    assert set(ask(proxy, 10)) == {"one", "two"}
    assert gateways[0].posts + gateways[1].posts == 10


def test_dead_gateway_costs_no_request(proxy: str, gateways: tuple[Gateway, Gateway]) -> None:
    gateways[0].close()
    assert ask(proxy, 20) == ["two"] * 20
    assert gateways[1].posts == 20  # none was sent twice


def test_gateway_that_is_not_ready_is_left_out(proxy: str, gateways: tuple[Gateway, Gateway]) -> None:
    gateways[0].ready = False
    wait_until(lambda: ask(proxy, 4) == ["two"] * 4, 15)
    gateways[0].ready = True
    wait_until(lambda: set(ask(proxy, 4)) == {"one", "two"}, 15)


def test_metrics_are_not_passed_on(proxy: str) -> None:
    assert haproxy.status(f"{proxy}/metrics") == 404


def test_the_name_of_a_crop_is_not_logged(gateways: tuple[Gateway, Gateway], tmp_path: Path) -> None:
    """However much is logged; the sample's own level leaves out all requests."""
    talkative = tmp_path / "haproxy.cfg"
    text = haproxy.CONFIGURATION.read_text()
    assert "local0 notice" in text
    talkative.write_text(text.replace("local0 notice", "local0 debug"))
    log = tmp_path / "log"
    with log.open("wb") as output:
        addresses = [gateway.address for gateway in gateways]
        with haproxy.running(*addresses, configuration=talkative, output=output) as url:
            for gateway in gateways:
                gateway.ready = False
            for path in ("/crops/secret-token.jpg", "/other"):
                assert haproxy.status(url + path) == 503
            wait_until(lambda: "/other" in log.read_text(), 10)
    assert "secret-token" not in log.read_text()
