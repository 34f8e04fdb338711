"""A circuit breaker: when half of at least 20 calls within 9 to 10 s fail, Ximilar is left alone for a while.

Then one call is let through: if it comes back, all are. Only silence, no connection and 5xx count as
failures; an answer that says no is an answer. Pure but for its clock; one a process.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from procrastinate_app.ximilar import errors

from .problems import BreakerOpen

WINDOW_SECONDS = 10
LEAST_CALLS = 20
FAILURE_RATIO = 0.5
JITTER = 0.2


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(slots=True)
class _Tally:
    """How the calls of one second ended; a busy process makes so many that noting each takes megabytes."""

    second: int
    calls: int = 0
    failures: int = 0


class Breaker:
    """Ask `admit` before a call; after it tell `record`, or `forget` if it came to nothing.

    `seconds` is how long it stays open, up to a fifth longer so that processes do not probe in step.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._jitter = jitter
        self._tallies: deque[_Tally] = deque()
        self._open_until = 0.0
        self._probing = False
        self._state = State.CLOSED

    @property
    def state(self) -> State:
        """Closed, open, or half open: a probe is due or under way."""
        if self._state is State.OPEN and self._clock() >= self._open_until:
            return State.HALF_OPEN
        return self._state

    def admit(self) -> bool:
        """Return if a call may be made now, True where it is the probe; else raise BreakerOpen."""
        if self._state is State.CLOSED:
            return False
        left = self._open_until - self._clock()
        if left > 0 or self._probing:
            raise BreakerOpen(max(left, 1.0))
        self._probing = True
        return True

    def record(self, error: BaseException | None, *, probe: bool) -> None:
        """Note how an admitted call ended."""
        failed = isinstance(error, errors.NotSent | errors.NoAnswer | errors.ServerFault)
        if probe:
            self._probing = False
            if failed:
                self._open()
            else:
                self._state = State.CLOSED
        elif self._state is State.CLOSED:  # a call admitted before it opened has no say afterwards
            self._count(failed)

    def forget(self, *, probe: bool) -> None:
        """Note that an admitted call was given up and says nothing about Ximilar."""
        if probe:
            self._probing = False

    def _count(self, failed: bool) -> None:
        tally = self._present()
        tally.calls += 1
        tally.failures += failed
        if failed and self._too_many():
            self._open()

    def _present(self) -> _Tally:
        second = int(self._clock())
        if not self._tallies or self._tallies[-1].second != second:
            self._tallies.append(_Tally(second))
            while self._tallies[0].second <= second - WINDOW_SECONDS:
                self._tallies.popleft()
        return self._tallies[-1]

    def _too_many(self) -> bool:
        calls = sum(tally.calls for tally in self._tallies)
        failures = sum(tally.failures for tally in self._tallies)
        return calls >= LEAST_CALLS and failures >= FAILURE_RATIO * calls

    def _open(self) -> None:
        self._state = State.OPEN
        self._open_until = self._clock() + self._seconds * (1 + JITTER * self._jitter())
        self._tallies.clear()
