"""Photos a second under the account's limit: the old design and ours, each against an emulator that enforces it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.bench import sync_processes as processes
from ops.bench.peers.environment import python_of
from ops.bench.sync_staging import Server, Staging
from ops.local.loopback import free_port
from ops.local.programs import Program, Programs

DELAY = 0.2
RATE = 10  # calls a second
PHOTOS = 3
PRODUCTS = 400  # more than any side gets through
FIRST_PHOTO_SECONDS = 30.0
OLD_SYNC = Path(__file__).with_name("peers") / "old_sync"


class BenchError(RuntimeError):
    """What was to be measured did not run; the message says what was seen."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What the emulator saw: photos stored a second, the most calls in any one second, calls it refused with 429."""

    photos_per_second: float
    most_in_a_second: int
    refused: int


def ours(server: Server, template: Staging, profile: str, seconds: float) -> Paced:
    """One worker of ours; its products are queued already."""
    with _against_emulator(server, template, profile) as (running, url):
        processes.start_workers(running, 1)
        return _watch(url, seconds)


def old(server: Server, template: Staging, profile: str, seconds: float) -> Paced:
    """The old worker with its two processes, its Redis, and one task."""
    python = str(python_of("old_sync"))
    with _against_emulator(server, template, profile) as (running, url):
        port = free_port()
        running.environ |= {
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "BATCH_SIZE": str(PRODUCTS),
            "PYTHONPATH": str(OLD_SYNC),
        }
        redis = (
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--save",
            "",
            "--appendonly",
            "no",
        )
        running.start(Program("redis", redis, "Ready to accept connections"))
        celery = (python, "-m", "celery", "--app", "tasks")
        running.start(
            Program("celery", (*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"), r"ready\.")
        )
        running.run(Program("call", (*celery, "call", "ximilar_sync")))
        return _watch(url, seconds)


@contextlib.contextmanager
def _against_emulator(server: Server, template: Staging, profile: str) -> Iterator[tuple[Programs, str]]:
    with server.copy(template) as staging, processes.programs() as running:
        url = processes.start_emulator(running, rate=RATE, delay=DELAY)
        running.environ |= processes.environ(staging, url, profile, RATE)
        yield running, url


def _watch(url: str, seconds: float) -> Paced:
    """Count what is stored in `seconds`, from some moment after the first photo."""
    gives_up = time.monotonic() + FIRST_PHOTO_SECONDS
    while (before := processes.emulator_state(url))["photos_stored"] < PHOTOS:
        if time.monotonic() > gives_up:
            raise BenchError(f"no photo was stored in {FIRST_PHOTO_SECONDS:g} s: {before}")
        time.sleep(0.05)
    begun = time.monotonic()
    time.sleep(seconds)
    after, ended = processes.emulator_state(url), time.monotonic()
    stored = after["photos_stored"] - before["photos_stored"]
    return Paced(stored / (ended - begun), after["most_in_a_second"], after["rate_limited"])
