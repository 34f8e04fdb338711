"""Which process this is, and which other processes of this machine are still alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

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
    return place == _place() and identity != _identity(place, int(rest.split("@")[0]))


def _place() -> str:
    """The machine since its boot, and the pid namespace: two containers may share a host name and a pid."""
    try:
        boot = _BOOT_ID.read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return "unknown"
    return f"{boot}/{namespace}"


def _identity(place: str, pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return f"{place}/{pid}@"
    return f"{place}/{pid}@{stat.rpartition(')')[2].split()[_STARTED_FIELD]}"
