"""The rate limit: a strict sliding window, as a server that measures at its own door would count."""

from __future__ import annotations

import bisect
import math
import threading

WINDOW = 1.0  # seconds


class SlidingWindow:
    """Counts accepted arrivals; thread-safe.

    Arrivals are times of the monotonic clock. They may come slightly out of order, because threads take their
    time before they take the lock, so the window is kept sorted and a little longer than it is read.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: list[float] = []

    def admit(self, arrival: float, rate: int) -> int | None:
        """Count the call if fewer than `rate` were accepted in the second before it.

        Returns None when it was counted, else Retry-After: whole seconds, at least 1. A refused call does
        not count. A rate of 0 counts and refuses nothing.
        """
        if rate == 0:
            return None
        with self._lock:
            recent = self._accepted[bisect.bisect_right(self._accepted, arrival - WINDOW) :]
            if len(recent) >= rate:
                return max(1, math.ceil(recent[-rate] + WINDOW - arrival))
            bisect.insort(self._accepted, arrival)
            del self._accepted[: bisect.bisect_left(self._accepted, arrival - 2 * WINDOW)]
            return None

    def reset(self) -> None:
        """Forget every arrival."""
        with self._lock:
            self._accepted.clear()


def most_in_a_second(arrivals: list[float]) -> int:
    """The largest number of `arrivals` (seconds, any order) in one half-open window of a second."""
    ordered = sorted(arrivals)
    most = first = 0
    for last, arrival in enumerate(ordered):
        while ordered[first] <= arrival - WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most
