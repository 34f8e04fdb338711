"""Loads a server with wrk, and counts what that costs the server's processes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.bench.servers import Server

SCRIPT = Path(__file__).with_name("load.lua")
GRACE_SECONDS = 30
MOST_FAILED = 0.001


class LoadError(RuntimeError):
    """The load could not be put on, or too many requests failed."""


@dataclass(frozen=True, slots=True)
class Effort:
    """So many `rounds` of so many `seconds`; before the first, `warm` seconds that do not count.

    `trial` are those in which a number of processes is tried.
    """

    rounds: int
    seconds: int
    warm: int
    trial: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What one load gave: requests a second, seconds at p50 and p99, CPU seconds of the server a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def load(server: Server, *, clients: int, seconds: int, questions: int = 0) -> Sample:
    """Ask for so many seconds over a connection for each of `clients`.

    `questions` 0: no two alike, else so many in turn. Raises LoadError.
    """
    before = server.cpu_seconds()
    counted = _wrk(server, clients, seconds, questions)
    spent = server.cpu_seconds() - before
    if not counted["requests"]:
        raise LoadError(f"{server.name} answered nothing in {seconds} s")
    if counted["failed"] > MOST_FAILED * counted["requests"]:
        raise LoadError(
            f"{server.name}: {counted['failed']:.0f} of {counted['requests']:.0f} requests failed"
        )
    return Sample(counted["rate"], counted["p50"], counted["p99"], spent / counted["requests"])


def _wrk(server: Server, clients: int, seconds: int, questions: int) -> dict[str, float]:
    # One thread: the script's counting is that of a thread. It asks 70,000 times a second.
    command = [
        *("wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"),
        *("-s", str(SCRIPT), server.url, "--", server.paths, str(questions), str(clients), server.token),
    ]
    try:
        finished = subprocess.run(
            command,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds + GRACE_SECONDS,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise LoadError(f"wrk ended with {error.returncode}: {error.stdout}{error.stderr}") from None
    found: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return found
