"""Secrets that are made up for a run and planted in the programs, to be looked for in all that they write."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

LARGEST_FILE_BYTES = 256 * 1024 * 1024


def canary(what: str) -> str:
    """A new secret, which nobody could write by accident."""
    return f"canary-{what}-{secrets.token_hex(12)}"


def found_in(text: str, planted: Iterable[str]) -> list[str]:
    """Which of the planted secrets a text shows, by what they are for."""
    return [secret.rpartition("-")[0] for secret in planted if secret in text]


def found_below(folder: Path, planted: Iterable[str]) -> list[str]:
    """Where below a folder a planted secret shows: "file: what"."""
    planted = list(planted)
    shown = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size <= LARGEST_FILE_BYTES:
            text = path.read_text(encoding="utf-8", errors="replace")
            shown += [f"{path.name}: {what}" for what in found_in(text, planted)]
    return shown
