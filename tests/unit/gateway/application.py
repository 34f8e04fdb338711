"""Drives the whole application without a socket: ASGI messages in and out, a stub in the transport's place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport
from procrastinate_app.ximilar.calls import Call, Response
from web.gateway.app import create_app
from web.gateway.edge import Edge
from web.gateway.settings import GatewaySettings

T = TypeVar("T")

Answerer = Callable[[Call[Any]], "Response | Exception"]


class StubTransport:
    """Answers each call with what `answer` makes of it, read by the call's own reader."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.calls: list[Call[Any]] = []
        self.deadlines: list[float] = []

    async def send(self, call: Call[T], *, deadline: float, headers: Mapping[str, str]) -> T:
        self.calls.append(call)
        self.deadlines.append(deadline)
        await asyncio.sleep(0)
        found = self.answer(call)
        if isinstance(found, Exception):
            raise found
        return call.read(found)


def said(**content: Any) -> Response:
    """An answer of Ximilar's that is a success."""
    return Response(200, {}, json.dumps({"status": {"code": 200}, **content}).encode())


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_constant=_refuse)


def make_app(stub: StubTransport, **environ: str) -> Edge:
    """An application in front of `stub`, with these variables."""
    chosen = {
        "XIMILAR_API_TOKEN": "token",
        "XIMILAR_COLLECTION_ID": "c",
        "GATEWAY_ACCESS_LOG": "off",
        **environ,
    }
    return create_app(GatewaySettings.from_env(chosen), cast(AsyncioTransport, stub))


async def ask(
    app: Edge,
    path: str,
    content: Any = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make one request; `content` that is no bytes is sent as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = {"host": "gateway", "content-length": str(len(body)), **(headers or {})}
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(_scope(path, method, sent), receive, send)
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    start, end = messages
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, end["body"])


def _scope(path: str, method: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not strict JSON")
