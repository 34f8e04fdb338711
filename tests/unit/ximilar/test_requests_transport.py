"""What the requests transport sends and refuses, with `responses` in place of a server."""

from __future__ import annotations

import json
import socket
from typing import NoReturn

import pytest
import requests
import responses

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.recognition import Recognition
from procrastinate_app.ximilar.requests_transport import RequestsTransport

BASE = "https://api.example.com"
CALL = Recognition("c").detect("https://cdn.example.com/a.jpg")
ADDRESS = BASE + CALL.request.path


@responses.activate
def test_sends_token_and_body_and_reads_the_answer() -> None:
    responses.post(ADDRESS, json={"records": [{}], "status": {"code": 200}})
    with RequestsTransport(BASE + "/", "t0ken") as transport:
        assert transport.send(CALL) == []
    request = responses.calls[0].request
    assert request.headers["Authorization"] == "Token t0ken"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == CALL.request.body


@responses.activate
def test_follows_no_redirect() -> None:
    responses.post(ADDRESS, status=307, headers={"Location": BASE + "/elsewhere"})
    with RequestsTransport(BASE, "t") as transport, pytest.raises(errors.Nonsense):
        transport.send(CALL)
    assert len(responses.calls) == 1


@responses.activate
def test_refuses_a_very_large_answer() -> None:
    responses.post(ADDRESS, body=b" " * (4 * 1024 * 1024 + 1))
    with RequestsTransport(BASE, "t") as transport, pytest.raises(errors.Nonsense):
        transport.send(CALL)


@responses.activate
def test_names_an_exception_but_not_what_it_says() -> None:
    responses.post(ADDRESS, body=requests.ConnectionError("https://user:s3cret@proxy"))
    with RequestsTransport(BASE, "t") as transport, pytest.raises(errors.NotSent) as caught:
        transport.send(CALL)
    assert str(caught.value) == "ConnectionError"


def test_a_name_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has asked each of its servers twice by itself."""
    asked = []

    def unknown(host: str, *_args: object, **_kwargs: object) -> NoReturn:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with RequestsTransport(BASE, "t") as transport, pytest.raises(errors.NotSent):
        transport.send(CALL)
    assert asked == ["api.example.com"]
