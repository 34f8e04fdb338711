"""Two gateways behind the proxy that ops/proxy configures: updated, killed and besieged under load."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from ops.local.loopback import HOST, free_port
from tests import haproxy
from tests.faults.gateway.figures import quantile, tell
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.load import Load, serve_more
from tests.integration.gateway.servers import Gateway, ScriptedUpstream, reload, wait_for

CLIENTS = 8


@dataclass(slots=True)
class Pair:
    """Two gateways on ports of their own, and the proxy's URL."""

    url: str
    start: Callable[[int], Gateway]
    gateways: list[Gateway] = field(default_factory=list)

    def replace(self, place: int) -> None:
        """Stop one as systemd does, start its successor on the same port, and wait until the proxy asks it."""
        port = self.gateways[place].port
        assert port is not None
        self.gateways[place].signal(signal.SIGTERM)
        assert self.gateways[place].process.wait(30) == 0
        successor = self.gateways[place] = self.start(port)
        wait_for(lambda: successor.lines("request"), 30)


@pytest.fixture
def pair(start_gateway: StartGateway, upstream: ScriptedUpstream) -> Iterator[Pair]:
    """Two gateways of two processes each; Ximilar takes 20 ms."""
    upstream.delay = 0.02
    ports = [free_port(), free_port()]

    def start(port: int) -> Gateway:
        return start_gateway(PORT=str(port), WORKERS="2", GATEWAY_CACHE_SECONDS="0")

    gateways = [start(port) for port in ports]
    with haproxy.running(*(f"{HOST}:{port}" for port in ports)) as url:
        yield Pair(url, start, gateways)


def test_rolling_restart_loses_nothing(pair: Pair) -> None:
    with Load(pair.url, clients=CLIENTS) as load:
        for place in (0, 1):
            serve_more(load, 200)
            pair.replace(place)
        serve_more(load, 200)
    tell("rolling restart of two gateways", load)
    assert load.lost == {}


def test_gateway_that_dies_costs_what_it_held(pair: Pair) -> None:
    victim = pair.gateways[0]
    with Load(pair.url, clients=CLIENTS) as load:
        serve_more(load, 200)
        for pid in (victim.process.pid, *victim.workers):
            os.kill(pid, signal.SIGKILL)
        victim.process.wait()
        serve_more(load, 400)
        lost = dict(load.lost)
        serve_more(load, 200)
    tell("one of two gateways killed", load)
    assert sum(lost.values()) <= CLIENTS
    assert load.lost == lost, "once it is known to be dead nobody is sent there"


@pytest.mark.drill
def test_reload_and_recycling_behind_the_proxy_lose_nothing(pair: Pair) -> None:
    with Load(pair.url, clients=CLIENTS) as load:
        for gateway in pair.gateways * 2:
            reload(gateway)
            serve_more(load, 100)
    tell("both gateways reloaded twice", load)
    assert load.lost == {}


@pytest.mark.drill
def test_slow_clients_wait_at_the_proxy(pair: Pair) -> None:
    """Half a request costs a gateway nothing: the proxy hands on whole ones, and gives up on the others."""
    sockets = []
    host, port = pair.url.removeprefix("http://").split(":")
    for number in range(300):
        sock = socket.create_connection((host, int(port)), timeout=10)
        sock.sendall(b"POST /detect HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n" + b"\r\n{" * (number % 2))
        sockets.append(sock)
    begun = time.monotonic()
    with Load(pair.url, clients=CLIENTS) as load:
        wait_for(lambda: all(_is_answered(sock) for sock in sockets), 20)
        ended = time.monotonic() - begun
        serve_more(load, 100)
    tell(f"300 stalled clients, all gone after {ended:.1f} s", load)
    for sock in sockets:
        sock.close()
    assert load.lost == {}
    assert quantile(load.seconds, 0.99) < 1.0
    assert all(line["status"] == 200 for gateway in pair.gateways for line in gateway.lines("request"))


def _is_answered(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True
