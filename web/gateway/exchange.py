"""The facts of one request, gathered while it is served, for its answer's headers, metrics and the log."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from typing import Any

from .problems import Problem

Scope = dict[str, Any]

ROUTES = ("/detect", "/tag", "/search", "/recognize")
# Stands for all of them in metrics and the log: the name of a crop is as good as a key.
CROP = "/crops/{name}"
HANDLERS = frozenset((*ROUTES, CROP, "/health", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"))
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_CACHE_WORDS = {"hit": "HIT", "miss": "MISS", "joined": "JOINED"}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context


class Exchange:
    """One request and what became of it. Times are of the event loop's clock, in seconds."""

    __slots__ = (
        "_asking",
        "_asking_since",
        "body",
        "cache",
        "cache_control",
        "caller",
        "client",
        "ends",
        "field",
        "handler",
        "headers",
        "method",
        "path",
        "request_id",
        "sent",
        "started",
        "status",
        "upstream_headers",
        "upstream_seconds",
    )

    def __init__(self, scope: Scope, started: float, deadline: float) -> None:
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.path: str = without_crop(scope["path"])
        # Labels come from fixed sets, whatever clients send.
        self.handler = self.path if self.path in HANDLERS else "none"
        self.method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self.client: str = scope["client"][0] if scope.get("client") else "-"
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.upstream_headers = _passed_on(self.headers.get(b"traceparent"))
        self.started = started
        self.ends = started + deadline
        self.body = b""
        self.field = "url"
        self.caller: str | None = None
        self.cache: str | None = None
        self.cache_control = b"no-store"
        self.upstream_seconds = 0.0
        self._asking = 0
        self._asking_since = 0.0
        self.status = 0
        self.sent = 0

    @property
    def fresh(self) -> bool:
        """Whether the client wants no answer from the cache."""
        wish = self.headers.get(b"cache-control", b"").lower()
        return b"no-cache" in wish or b"no-store" in wish

    def asks(self) -> None:
        """Note that it begins to wait for Ximilar; several parts may wait at once, their time counts once."""
        if self._asking == 0:
            self._asking_since = time.monotonic()
        self._asking += 1

    def asked(self) -> None:
        """Note that one of its parts waits no longer."""
        self._asking -= 1
        if self._asking == 0:
            self.upstream_seconds += time.monotonic() - self._asking_since

    def note_cache(self, source: str) -> None:
        """Note where one answer came from; a request of several parts is a hit if all of them are."""
        seen = _CACHE_WORDS[source]
        self.cache = seen if self.cache in (None, seen) else "MISS"

    def obey_timeout(self, deadline: float) -> None:
        """Let X-Request-Timeout lower the deadline. Raises Problem where it is not a positive number."""
        wish = self.headers.get(b"x-request-timeout")
        if wish is None:
            return
        try:
            seconds = float(wish)
        except ValueError:
            seconds = 0.0
        if not seconds > 0:
            raise Problem(400, "invalid_timeout", "X-Request-Timeout must be a positive number of seconds.")
        self.ends = self.started + min(seconds, deadline)


def new_request_id() -> str:
    """Return an id for a request that brought none. It is no secret: random bits without a system call will do."""
    return f"{random.getrandbits(128):032x}"


def without_crop(path: Any) -> Any:
    """Return a path as metrics and the log may have it; whatever is no path of a crop as it is."""
    return CROP if isinstance(path, str) and path.startswith("/crops/") else path


def _request_id(given: bytes | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return new_request_id()


def _passed_on(traceparent: bytes | None) -> Mapping[str, str]:
    if traceparent is not None and _TRACEPARENT.fullmatch(traceparent):
        return {"traceparent": traceparent.decode()}
    return {}
