"""A call to Ximilar as data: what to send and how to read what comes back.

A profile makes calls, a transport carries them. Neither knows the other, so both profiles work over both
transports, and everything a profile decides is tested without a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

CONNECT_SECONDS = 5.0
CALL_SECONDS = 30.0  # as the old servers waited
MAX_ANSWER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: `path` is relative to the API's base URL, `body` is sent as JSON; a GET has none."""

    method: str
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer: header names in lower case, the body whole and at most 4 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and the function that reads its answer.

    `name` is a constant word (store, remove, detect, tag, colors, search), safe as a metric label. `read` returns
    the typed answer or raises one of `errors`; it never lets another exception out, whatever the bytes are.
    An `optional` call asks another service of Ximilar's for something its caller can do without.
    """

    name: str
    request: Request
    read: Callable[[Response], T]
    optional: bool = False
