"""Starts what the sync bench measures: workers, the emulator, the small upstream. All end with their context."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from ops.bench.sync_staging import Staging
from ops.local.environ import without_settings
from ops.local.programs import Program, Programs

ACCOUNT = "bench"  # the token, and the collection
HTTP_SECONDS = 20
LISTENING = r"listening on (http://\S+)"

Arrivals = list[tuple[float, int]]


@contextlib.contextmanager
def programs() -> Iterator[Programs]:
    """Programs without settings of this machine, whose logs are thrown away."""
    with (
        tempfile.TemporaryDirectory(prefix="ximilar-bench-logs-") as folder,
        Programs(Path(folder), without_settings(os.environ)) as running,
    ):
        yield running


def start_emulator(running: Programs, *, rate: int, delay: float) -> str:
    """Start an emulator that refuses what is over `rate` calls a second and answers after `delay` seconds; its URL."""
    limits = ("--token", ACCOUNT, "--collection", ACCOUNT, "--rate", str(rate), "--delay", str(delay))
    command = (sys.executable, "-m", "ops.emulator", "--port", "0", *limits)
    return running.start(Program("emulator", command, LISTENING)).group(1)


def start_upstream(running: Programs) -> str:
    """Start the upstream that costs little and has no limit; its URL."""
    command = (sys.executable, "-m", "ops.bench.sync_upstream", "0")
    return running.start(Program("upstream", command, LISTENING)).group(1)


def arrivals(url: str) -> Arrivals:
    """Return when (monotonic seconds) how many photos arrived at the small upstream."""
    response = requests.get(f"{url}/arrivals", timeout=HTTP_SECONDS)
    response.raise_for_status()
    return [(at, photos) for at, photos in response.json()]


def emulator_state(url: str) -> dict[str, int]:
    """Return the emulator's counts."""
    response = requests.get(f"{url}/_emulator/state", timeout=HTTP_SECONDS)
    response.raise_for_status()
    counts: dict[str, int] = response.json()
    return counts


def environ(staging: Staging, api_url: str, profile: str, rate: float) -> dict[str, str]:
    """The settings of a worker, old or new."""
    return {
        "STAGING_DB_URL": staging.url,
        "XIMILAR_API_URL": api_url,
        "XIMILAR_API_TOKEN": ACCOUNT,
        "XIMILAR_COLLECTION_ID": ACCOUNT,
        "XIMILAR_API_PROFILE": profile,
        "XIMILAR_RATE_LIMIT": f"{rate:g}",
        "XIMILAR_ALLOW_PRIVATE_URLS": "on",
        "LOG_FORMAT": "json",
    }


def start_workers(running: Programs, count: int) -> list[psutil.Process]:
    """Start so many workers with the present environment and wait until they are at work."""
    for number in range(count):
        command = (sys.executable, "-m", "procrastinate_app", "worker")
        running.start(Program(f"worker-{number}", command, "worker_started"))
    return [psutil.Process(running.pid(f"worker-{number}")) for number in range(count)]


def megabytes(process: psutil.Process) -> float:
    """The proportional share of memory (PSS) of a process, in MB."""
    return float(process.memory_full_info().pss) / 1e6
