"""Keeps one group of figures fresh, from a thread of its own, so that a scrape never waits for the database.

Figures that could not be renewed are withheld: an old value would look like a quiet system.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from .. import logs
from ..ximilar.errors import XimilarError
from .samples import Sample

# A group that takes long is asked less often: it never keeps the database busy for more than 2 % of the time.
IDLE_TIMES = 50
MISSED = 3

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a group said at `taken` (monotonic clock), after `seconds`; not `ok`: it could not be asked."""

    ok: bool = False
    samples: list[Sample] = field(default_factory=list)
    taken: float = 0.0
    seconds: float = 0.0


class Watch:
    """Asks every `period` seconds while started; `ask` may raise anything."""

    def __init__(self, name: str, ask: Callable[[], list[Sample]], period: float) -> None:
        self.name = name
        self._ask = ask
        self._period = period
        self._latest = Snapshot()
        self._asked = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin, without waiting for the first answer."""
        threading.Thread(target=self._run, name=f"watch-{self.name}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait for the first answer, good or bad, but no longer than this."""
        self._asked.wait(seconds)

    def stop(self) -> None:
        """Ask no more. A statement under way ends by its own timeout."""
        self._stopping.set()

    def latest(self) -> Snapshot:
        """Return the last answer, or that there is none: the last one failed or is too old."""
        found = self._latest
        too_old = time.monotonic() - found.taken > MISSED * self._interval(found) + MISSED
        return Snapshot(taken=found.taken, seconds=found.seconds) if too_old else found

    def refresh(self) -> None:
        """Ask once. Never raises: an exporter that has ended tells nobody anything."""
        begun = time.monotonic()
        try:
            samples, reason = self._ask(), ""
        except Exception as error:
            samples, reason = [], type(error).__name__
            self._tell(error)
        ended = time.monotonic()
        if not reason and not self._latest.ok:
            log.info("collecting", group=self.name, seconds=round(ended - begun, 3))
        self._latest = Snapshot(not reason, samples, ended, ended - begun)
        self._asked.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.refresh()
            self._stopping.wait(self._interval(self._latest))

    def _interval(self, snapshot: Snapshot) -> float:
        return max(self._period, IDLE_TIMES * snapshot.seconds if snapshot.ok else 0.0)

    def _tell(self, error: Exception) -> None:
        if self._latest.ok or not self._asked.is_set():
            expected = isinstance(error, psycopg.Error | XimilarError)
            reason = (str(error).splitlines() or [""])[0] if expected else ""
            log.warning(
                "collecting_failed",
                group=self.name,
                error=type(error).__name__,
                reason=reason,
                exc_info=None if expected else error,
            )
