"""All that the emulator remembers, in one place, so that a reset forgets all of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ops.emulator.collection import Collection
from ops.emulator.crops import Crops
from ops.emulator.faults import FaultScript
from ops.emulator.limits import SlidingWindow
from ops.emulator.pictures import Downloader
from ops.emulator.requestlog import RequestLog
from ops.emulator.settings import Settings


class Credits:
    """The credits used up, by call; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def charge(self, call: str, amount: int) -> None:
        """Add what one analysed image costs."""
        with self._lock:
            self._used[call] = self._used.get(call, 0) + amount

    def used(self) -> dict[str, int]:
        """Credits used, by call."""
        with self._lock:
            return dict(self._used)

    def reset(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._used.clear()


@dataclass(slots=True)
class State:
    """The emulated account. `settings` is replaced as a whole; the rest guards itself by locks."""

    settings: Settings
    log: RequestLog
    downloader: Downloader
    stopping: threading.Event
    """Set when the process ends: whoever waits then stops waiting."""
    collection: Collection = field(default_factory=Collection)
    """Of profile `recognition`."""
    fashion: Collection = field(default_factory=Collection)
    """Of profile `fashion`: a collection belongs to the service it was made for."""
    crops: Crops = field(default_factory=Crops)
    credits: Credits = field(default_factory=Credits)
    faults: FaultScript = field(default_factory=FaultScript)
    limiter: SlidingWindow = field(default_factory=SlidingWindow)

    @property
    def collections(self) -> dict[str, Collection]:
        """By profile."""
        return {"recognition": self.collection, "fashion": self.fashion}

    def reset(self) -> None:
        """Forget photos, faults, log, credits and the last second's calls; settings and crops stay."""
        for collection in self.collections.values():
            collection.clear()
        self.credits.reset()
        self.faults.clear()
        self.limiter.reset()
        self.log.reset()
