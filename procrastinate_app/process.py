"""Which process this is, and which other processes of this machine are still alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STARTED_FIELD = 19  # of /proc/PID/stat, counted after the command's closing bracket: ticks since boot


@dataclass(frozen=True, slots=True)
class Process:
    """`host` for people; `place` names machine and pid namespace; `identity` this very process there."""

    host: str
    pid: int
    place: str
    identity: str


def this_process() -> Process:
    """Describe this process."""
    place = _place()
    return Process(socket.gethostname(), os.getpid(), place, _identity(place, os.getpid()))


def is_dead(identity: str) -> bool:
    """Whether the process is known to have ended. A process elsewhere is not known to have."""
    place, _, rest = identity.rpartition("/")
    pid, _, started = rest.partition("@")
    if place != _place() or place == UNKNOWN:
        return False
    if not _exists(int(pid)):
        return True
    # Where /proc is hidden from us its start is not known, and what lives may be the one we ask for.
    return _start(int(pid)) not in ("", started)


def _place() -> str:
    """The machine since its boot, and the pid namespace: two containers may share a host name and a pid."""
    try:
        boot = _BOOT_ID.read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return UNKNOWN
    return f"{boot}/{namespace}"


def _identity(place: str, pid: int) -> str:
    return f"{place}/{pid}@{_start(pid)}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start(pid: int) -> str:
    """When the process began, in ticks since boot; empty where that cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_STARTED_FIELD]
