"""What the emulator's account allows; frozen, so that a change while it runs is one assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

CHANGEABLE = frozenset({"rate", "delay", "capacity", "token"})


@dataclass(frozen=True, slots=True)
class Settings:
    """One account with one collection. Raises ValueError for a value that makes no sense."""

    token: str = field(default="emulator", repr=False)
    """The only token accepted."""
    collection: str = "emulator"
    """The only collection there is."""
    rate: int = 10
    """API calls accepted in any window of one second. 0: no limit."""
    delay: float = 0.2
    """Seconds from a call's arrival to its answer, download included."""
    capacity: int = 0
    """Photos the collection takes before it answers 412. 0: no limit."""

    def __post_init__(self) -> None:
        for name in ("token", "collection"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ValueError(f"{name} must be a non-empty text")
        for name in ("rate", "capacity"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more")
        if type(self.delay) not in (int, float) or not math.isfinite(self.delay) or self.delay < 0:
            raise ValueError("delay must be a number of seconds, 0 or more")

    def changed(self, changes: dict[str, Any]) -> Settings:
        """A copy with `changes` made. Raises ValueError for an unknown name or a wrong value."""
        if unknown := changes.keys() - CHANGEABLE:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be changed")
        return replace(self, **changes)
