"""The fault proxy does to a connection what it says, and no more."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fix_proxy import FaultProxy
from tests.fix_system import wait_until

HOST = "127.0.0.1"


class Echo:
    """A server that sends back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = socket.create_server((HOST, 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.heard += data
                    connection.sendall(data)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    proxy = FaultProxy(echo.address)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), timeout=5) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        yield connection


def test_it_puts_itself_in_a_url(proxy: FaultProxy) -> None:
    there = proxy.address("postgresql://ximilar@db.internal:5432/unde_staging?sslmode=disable")
    assert there == f"postgresql://ximilar@{HOST}:{proxy.port}/unde_staging?sslmode=disable"


def test_it_delays_one_way(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.delay(0.2, "down")
    begun = time.monotonic()
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    assert 0.2 <= time.monotonic() - begun < 2


def test_what_falls_into_the_black_hole_arrives_when_it_is_healed(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.black_hole("down")
    client.sendall(b"x")
    wait_until(lambda: echo.heard == b"hellox", 5)
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(5)
    proxy.heal()
    assert client.recv(1) == b"x"


def test_it_cuts_after_so_many_bytes_once(proxy: FaultProxy, client: socket.socket, echo: Echo) -> None:
    proxy.cut_after(3, "up")
    client.sendall(b"abcdef")
    assert_gone(client)
    assert echo.heard in (b"hello", b"helloabc")  # a reset takes back what was not read yet
    with socket.create_connection((HOST, proxy.port), timeout=5) as second:
        second.sendall(b"abcdef")
        assert second.recv(100) == b"abcdef"


def test_a_trap_springs_before_or_after_the_server_hears(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.cut_at(b"secret word")
    client.sendall(b"no harm")
    assert client.recv(100) == b"no harm"
    client.sendall(b"the secret word")
    assert_gone(client)
    assert proxy.caught
    assert echo.heard == b"hellono harm"
    proxy.cut_at(b"commit", heard=True)
    with socket.create_connection((HOST, proxy.port), timeout=5) as second:
        second.sendall(b"commit")
        assert_gone(second)
    wait_until(lambda: echo.heard == b"hellono harmcommit", 5)


@pytest.mark.parametrize("heard", [False, True])
def test_it_holds_everything_from_a_word_on(
    proxy: FaultProxy, client: socket.socket, echo: Echo, *, heard: bool
) -> None:
    proxy.hold_at(b"word", heard=heard)
    client.sendall(b"word")
    wait_until(lambda: proxy.caught, 5)
    if heard:
        wait_until(lambda: echo.heard == b"helloword", 5)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert (echo.heard == b"helloword") == heard
    client.settimeout(5)
    proxy.heal()
    assert client.recv(100) == b"word"


@pytest.mark.parametrize("how", ["cut", "reset", "refuse"])
def test_it_ends_connections(proxy: FaultProxy, client: socket.socket, how: str) -> None:
    getattr(proxy, how)()
    assert_gone(client)
    wait_until(lambda: proxy.connections == 0, 5)
    if how == "refuse":
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, proxy.port), timeout=5)
        proxy.heal()
    socket.create_connection((HOST, proxy.port), timeout=5).close()


def test_a_server_that_is_not_there_resets(proxy: FaultProxy, echo: Echo) -> None:
    echo.close()
    with (
        contextlib.suppress(ConnectionResetError),
        socket.create_connection((HOST, proxy.port), timeout=5) as connection,
    ):
        assert connection.recv(1) == b""


def assert_gone(connection: socket.socket) -> None:
    """The other side has ended the connection, with a reset or in order."""
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
