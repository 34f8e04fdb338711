"""Unit tests open no connection: what tries to, fails."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections by IP and look-ups of names; Unix sockets stay, event loops need them."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_ip(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_ip(self, address)
        return connect_ex(self, address)

    def refused_getaddrinfo(host: Any, *_args: Any, **_kwargs: Any) -> NoReturn:
        pytest.fail(f"a unit test tried to look up {host!r}")

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", refused_getaddrinfo)


def _refuse_ip(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        pytest.fail(f"a unit test tried to connect to {address!r}")
