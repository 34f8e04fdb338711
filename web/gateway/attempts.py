"""Makes calls to Ximilar with care: so many at a time, not while it is down, and again only after a 429.

What was sent may be billed, so nothing else is sent twice. The one other repetition, of a connection that was
never made, is the transport's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from procrastinate_app import logs
from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.calls import Call

from .breaker import Breaker
from .metrics import Metrics
from .problems import BreakerOpen, TooBusy

T = TypeVar("T")

RETRIES = 3
BACKOFF_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 8.0
LOG_LINES_A_SECOND = 10

_log = logs.get("gateway")


class Transport(Protocol):
    """What carries a call; `deadline` in seconds from now."""

    async def send(self, call: Call[T], *, deadline: float | None, headers: Mapping[str, str]) -> T: ...


class Wanted(Protocol):
    """Whoever a call is made for."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def wanted_at(self, moment: float) -> bool: ...


class Attempts:
    """At most `limit` calls at a time, each of at most `deadline` seconds; none where no token is known.

    `spare` is the breaker of optional calls: the failing of a service one can do without must not stop the rest.
    """

    def __init__(
        self,
        transport: Transport,
        breaker: Breaker,
        metrics: Metrics,
        *,
        spare: Breaker,
        limit: int,
        deadline: float,
        token_known: bool = True,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._breaker = breaker
        self._spare = spare
        self._metrics = metrics
        self._limit = limit
        self._deadline = deadline
        self._token_known = token_known
        self._jitter = jitter
        self._in_flight = 0
        self._failures = _FailureLog()

    def demand_room(self) -> None:
        """Raise TooBusy if no further call may be made or wait."""
        if self._in_flight >= self._limit:
            raise TooBusy

    async def make(self, call: Call[T], wanted: Wanted) -> T:
        """Make the call, again after a 429 while it is wanted. Raises the errors of `ximilar.errors`."""
        if not self._token_known:
            raise errors.TokenRefused("XIMILAR_API_TOKEN is not set")
        self.demand_room()
        self._in_flight += 1
        self._metrics.in_flight.inc()
        try:
            return await self._until_not_limited(call, wanted)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.dec()

    async def _until_not_limited(self, call: Call[T], wanted: Wanted) -> T:
        ends = time.monotonic() + self._deadline
        for attempt in range(RETRIES + 1):
            try:
                return await self._once(call, wanted, ends)
            except errors.RateLimited as limited:
                pause = backoff(attempt, limited.retry_after, self._jitter)
                due = time.monotonic() + pause
                if attempt == RETRIES or due >= ends or not wanted.wanted_at(due):
                    raise
            self._metrics.retries[call.name].inc()
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _once(self, call: Call[T], wanted: Wanted, ends: float) -> T:
        probe = self._admit(call)
        started = time.monotonic()
        try:
            answer = await self._transport.send(call, deadline=ends - started, headers=wanted.headers)
        except errors.XimilarError as error:
            self._settle(call, started, error, probe)
            raise
        except BaseException:
            self._breaker_of(call).forget(probe=probe)
            raise
        self._settle(call, started, None, probe)
        return answer

    def _breaker_of(self, call: Call[Any]) -> Breaker:
        return self._spare if call.optional else self._breaker

    def _admit(self, call: Call[Any]) -> bool:
        try:
            return self._breaker_of(call).admit()
        except BreakerOpen as error:
            self._metrics.upstream_calls[call.name, error.cause].inc()
            raise

    def _settle(
        self, call: Call[Any], started: float, error: errors.XimilarError | None, probe: bool
    ) -> None:
        breaker = self._breaker_of(call)
        before = breaker.state
        breaker.record(error, probe=probe)
        if breaker.state is not before:
            self._metrics.breaker.set(self._breaker.state)
            _log.warning("breaker", state=breaker.state.name.lower(), optional_calls=call.optional)
        self._metrics.upstream_seconds[call.name].observe(time.monotonic() - started)
        self._metrics.upstream_calls[call.name, error.cause if error else "ok"].inc()
        if error is not None:
            self._failures.note(call, error)


class _FailureLog:
    """Tells of failed calls, of ten a second at most: an outage under load must not drown the log."""

    def __init__(self) -> None:
        self._second = 0
        self._told = 0
        self._untold = 0

    def note(self, call: Call[Any], error: errors.XimilarError) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._told = second, 0
        self._told += 1
        if self._told > LOG_LINES_A_SECOND:
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        _log.warning(
            "upstream_failed",
            call=call.name,
            cause=error.cause,
            reason=error.reason,
            upstream_request_id=error.request_id,
            **({"untold_before": untold} if untold else {}),
        )


def backoff(attempt: int, retry_after: float | None, jitter: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait after failed attempt 0, 1, ...: exponential with full jitter.

    Retry-After is a floor; it comes clamped to 1..300 s.
    """
    pause = jitter() * min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2.0**attempt)
    return max(pause, retry_after or 0.0)
