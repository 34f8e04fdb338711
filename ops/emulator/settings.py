"""What the emulator's account allows; frozen, so that a change while it runs is one assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

PROFILES = ("recognition", "fashion")
TOKEN_STATUSES = (401, 403)
ALWAYS_THE_SAME = frozenset({"collection", "profiles"})


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
    """Photos each collection takes before it answers 412. 0: no limit."""
    credits: int = 100_000
    """What `credits_counter` starts from; it stops at 0 and refuses nobody."""
    mirror_status: bool = False
    """Whether the HTTP status of an answer is its `status.code`; else it is 200."""
    token_status: int = 401
    """The HTTP status for a wrong token."""
    bill_duplicates: bool = False
    """Whether a record that is there already costs as much as a new one (profile `fashion`)."""
    update_replaces: bool = False
    """Whether `update` drops the fields it does not name; else it merges (profile `fashion`)."""
    profiles: tuple[str, ...] = PROFILES
    """Whose paths there are."""

    def __post_init__(self) -> None:
        for name in ("token", "collection"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ValueError(f"{name} must be a non-empty text")
        for name in ("rate", "capacity", "credits"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more")
        for name in ("mirror_status", "bill_duplicates", "update_replaces"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} must be true or false")
        if type(self.delay) not in (int, float) or not math.isfinite(self.delay) or self.delay < 0:
            raise ValueError("delay must be a number of seconds, 0 or more")
        if self.token_status not in TOKEN_STATUSES:
            raise ValueError("token_status must be 401 or 403")
        if not self.profiles or not set(self.profiles) <= set(PROFILES):
            raise ValueError(f"profiles must be among {', '.join(PROFILES)}")

    def changed(self, changes: dict[str, Any]) -> Settings:
        """A copy with `changes` made. Raises ValueError for an unknown name or a wrong value."""
        if unknown := changes.keys() - (set(self.__slots__) - ALWAYS_THE_SAME):
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be changed")
        return replace(self, **changes)
