"""A name server for hosts on a bridge, which is silent, slow or wrong on command."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fix_hosts import Network

PORT = 53
HEADER_BYTES = 12
ADDRESS_OF_IPV4 = b"\0\1\0\1"
# RFC 1035, 4.1.1: an answer to a question that wished for recursion, by a server that offers it.
ANSWER = 0x8180
SERVFAIL, NXDOMAIN = 2, 3
NAME_OF_THE_QUESTION = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Manner:
    """How questions are answered: after `delay` seconds (None: never), with an error's `code` or an `address`.

    Without an address it is the true one.
    """

    delay: float | None = 0.0
    code: int = 0
    address: str = ""


FAULTS = {
    "silent": Manner(delay=None),
    "slow": Manner(delay=8.0),
    "failing": Manner(code=SERVFAIL),
    "denying": Manner(code=NXDOMAIN),
    "lying": Manner(address="127.0.0.1"),
}


class NameServer:
    """Answers every question for an IPv4 address with its own, by UDP, in whatever `manner` it is told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.manner = Manner()
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def heal(self) -> None:
        """Answer at once and truly."""
        self.manner = Manner()

    def close(self) -> None:
        self._over.set()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                question, client = self._socket.recvfrom(512)
                self.asked += 1
                self._answer(self.manner, question, client)

    def _answer(self, manner: Manner, question: bytes, client: tuple[str, int]) -> None:
        if manner.delay is not None:
            answer = _answer_to(question, manner, manner.address or self.address)
            later = threading.Timer(manner.delay, self._send, [answer, client])
            later.daemon = True
            later.start()

    def _send(self, answer: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(answer, client)


def _answer_to(question: bytes, manner: Manner, address: str) -> bytes:
    asked = question[HEADER_BYTES:]
    asked = asked[: asked.index(b"\0") + 1 + len(ADDRESS_OF_IPV4)]
    found = manner.code == 0 and asked.endswith(ADDRESS_OF_IPV4)
    header = struct.pack("!2sHHHHH", question[:2], ANSWER | manner.code, 1, int(found), 0, 0)
    if not found:
        return header + asked
    packed = ipaddress.IPv4Address(address).packed
    record = NAME_OF_THE_QUESTION + ADDRESS_OF_IPV4 + struct.pack("!IH", 0, len(packed)) + packed
    return header + asked + record


@pytest.fixture
def names(network: Network) -> Iterator[NameServer]:
    """A name server at the bridge, which knows every name as the bridge's."""
    server = NameServer(network.address)
    yield server
    server.close()
