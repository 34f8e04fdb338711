"""Keeps what is dear to count for some seconds: ten viewers of one page cost the database no more than one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

FAILURE_SECONDS = 1.0


class Remembered(Generic[T]):
    """A value asked for again when it is older than `seconds`.

    A failure is kept for a second: those who waited for it must not wait as long again, one after another.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None
        self._failed: tuple[float, Exception] | None = None

    def get(self, ask: Callable[[], T]) -> T:
        """Return the kept value, or ask; who comes meanwhile waits for the same answer."""
        with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] < self._seconds:
                return self._kept[1]
            if self._failed is not None and time.monotonic() - self._failed[0] < FAILURE_SECONDS:
                raise self._failed[1]
            try:
                value = ask()
            except Exception as error:
                self._failed = (time.monotonic(), error)
                raise
            self._kept = (time.monotonic(), value)
            return value
