"""What Linux's /proc tells about other processes."""

from __future__ import annotations

from pathlib import Path


def command_line(pid: int) -> bytes:
    """Return the process's command line; empty when it has ended, collected by its parent or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def children(pid: int) -> list[int]:
    """Return the ids of the process's children; empty when it has ended."""
    try:
        listing = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in listing.split()]
