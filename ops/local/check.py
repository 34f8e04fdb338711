"""What a demo expects."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: what was looked at, what was seen, and whether it is right."""

    subject: str
    seen: str
    right: bool
