"""What callers write into their headers and addresses, and what of it reaches Ximilar as a header: nothing."""

from __future__ import annotations

import socket

import pytest

from .servers import Gateway, ScriptedUpstream

BODY = b'{"url":"https://cdn.example.com/1.jpg"}'
INJECTED = b"X-Injected: yes"


@pytest.mark.parametrize(
    "value",
    [
        b"a\r" + INJECTED,
        b"a\n" + INJECTED,
        b"a\r\n " + INJECTED,
        b"a\x0b" + INJECTED,
        b"a\xc4\x8a" + INJECTED,
        b"a%0d%0a" + INJECTED,
        b"00-" + b"a" * 500,
    ],
    ids=["cr", "lf", "folded", "vertical-tab", "cut-to-lf", "escaped", "long"],
)
@pytest.mark.parametrize("name", [b"X-Request-ID", b"traceparent", b"X-Forwarded-For"])
def test_no_word_of_a_caller_becomes_a_header(
    shared_gateway: Gateway, scripted: ScriptedUpstream, name: bytes, value: bytes
) -> None:
    """`cut-to-lf` is U+010A, whose low byte is a line feed."""
    assert shared_gateway.port is not None
    head = b"POST /detect HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", shared_gateway.port), timeout=10) as sock:
        sock.sendall(head + b"Content-Length: %d\r\n%b: %b\r\n\r\n" % (len(BODY), name, value) + BODY)
        status = int(sock.recv(12)[9:12])
    assert status in (200, 400)
    assert len(scripted.headers) == (status == 200)
    for headers in scripted.headers:
        assert not any("injected" in f"{key}: {said}".lower() for key, said in headers.items())
        assert "traceparent" not in headers


def test_a_photos_address_cannot_end_a_line(shared_gateway: Gateway, scripted: ScriptedUpstream) -> None:
    for end in ("\r\n", "\n", "\u010a", "\u2028"):
        answer = shared_gateway.post("/detect", {"url": f"https://cdn.example.com/1.jpg{end}X-Injected: yes"})
        assert (answer.status_code, answer.json()["field"]) == (422, "url")
    assert scripted.headers == []
