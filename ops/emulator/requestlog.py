"""The request log: each call with the moment it arrived, for tests that measure at the receiving side."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from ops.emulator.limits import most_in_a_second

CALL = "emulator.call"
"""The key of a WSGI environment under which its Call lies."""
CONTROL = "/_emulator"
MAX_ENTRIES = 200_000


@dataclass(slots=True)
class Call:
    """One request, filled in on its way through."""

    method: str
    path: str
    arrived_at: float
    """Wall clock, seconds since the epoch."""
    arrived_monotonic: float
    """Seconds of the monotonic clock, the same for every process of this machine."""
    token: str | None = None
    """The start of the token's SHA-256; never the token."""
    api: bool = False
    """Whether it was an API call with the right token: those the rate limit is about."""
    sku_ids: list[str] = field(default_factory=list)
    """The products named, each once."""
    record_ids: list[str | int] = field(default_factory=list)
    """The `_id` of each record that has one."""
    urls: list[str] = field(default_factory=list)
    fault: str | None = None
    """The kind of the fault that was played."""
    applied: bool = False
    """Whether the call changed the collection."""
    status: int | None = None
    """The HTTP status; None when the connection was closed instead."""
    code: int | None = None
    """The body's `status.code`."""
    seconds: float | None = None
    seq: int | None = None
    """1 for the first call logged; None until then."""


class RequestLog:
    """The last MAX_ENTRIES calls in memory, and all of them as JSON lines in `stream`; thread-safe."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._lock = threading.Lock()
        self._stream = stream
        self._entries: deque[dict[str, Any]] = deque(maxlen=MAX_ENTRIES)
        self._seq = 0
        self._in_flight = 0

    def arrived(self) -> None:
        """Count a call that will be logged."""
        with self._lock:
            self._in_flight += 1

    def add(self, call: Call) -> None:
        """Log `call` as it stands; a second time for the same call does nothing."""
        with self._lock:
            if call.seq is not None:
                return
            self._in_flight -= 1
            self._seq += 1
            call.seq = self._seq
            call.seconds = round(time.monotonic() - call.arrived_monotonic, 6)
            entry = _entry(call)
            self._entries.append(entry)
            if self._stream is not None:
                self._stream.write(json.dumps(entry) + "\n")
                self._stream.flush()

    def since(self, seq: int) -> list[dict[str, Any]]:
        """The entries after `seq`, in the order they were logged."""
        with self._lock:
            return [entry for entry in self._entries if entry["seq"] > seq]

    def summary(self) -> dict[str, Any]:
        """Counts over the entries in memory."""
        entries = self.since(0)
        calls = [entry for entry in entries if entry["api"]]
        return {
            "requests": _by_path(entries),
            "in_flight": self._in_flight,
            "api_calls": len(calls),
            "most_in_a_second": most_in_a_second([entry["arrived_monotonic"] for entry in calls]),
            "rate_limited": sum(entry["status"] == 429 and entry["fault"] is None for entry in calls),
            "faults_played": dict(Counter(entry["fault"] for entry in entries if entry["fault"])),
        }

    def reset(self) -> None:
        """Forget the entries; calls in flight are still logged, numbers go on."""
        with self._lock:
            self._entries.clear()


class Recorder:
    """WSGI middleware: notes the arrival before all else, and logs the call before its answer is sent."""

    def __init__(self, application: WSGIApplication, log: RequestLog) -> None:
        self._application = application
        self._log = log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        arrived_monotonic, arrived_at = time.monotonic(), time.time()
        path = environ["PATH_INFO"].rstrip("/") or "/"
        call = Call(environ["REQUEST_METHOD"], path, arrived_at, arrived_monotonic)
        environ[CALL] = call
        if call.path.startswith(CONTROL):
            return self._application(environ, start_response)
        self._log.arrived()
        try:
            return self._application(environ, _noting_status(call, start_response))
        finally:
            self._log.add(call)


def fingerprint(token: str) -> str:
    """What the log says of a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def _noting_status(call: Call, start_response: StartResponse) -> StartResponse:
    def noting(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        call.status = int(status[:3])
        return start_response(status, headers, exc_info)

    return noting


def _entry(call: Call) -> dict[str, Any]:
    names = (name for name in Call.__slots__ if name != "seq")
    first = {"seq": call.seq, "sku_id": next(iter(call.sku_ids), None)}
    return first | {name: getattr(call, name) for name in names}


def _by_path(entries: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each path was answered with each HTTP status ("closed" for none)."""
    counts: dict[str, dict[str, int]] = {}
    for entry in entries:
        status = "closed" if entry["status"] is None else str(entry["status"])
        statuses = counts.setdefault(entry["path"], {})
        statuses[status] = statuses.get(status, 0) + 1
    return counts
