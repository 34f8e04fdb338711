"""Products a second of two workers without a limit, beside bare procrastinate; and the memory of a worker."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from ops.bench import sync_processes as processes
from ops.bench.sync_staging import Server, Staging
from ops.local.programs import Program

WORKERS = 2
CONCURRENCY = 8
WARM_UP = 50  # calls that do not count
ENOUGH = 0.9  # of the photos there are: the last ones are sent by fewer and fewer jobs at once
STALLED_SECONDS = 60.0
LOOK_SECONDS = 0.2

NOOP_JOBS = 20_000
NOOP_FILL = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, args)
    SELECT 'default', 'noop', jsonb_build_object('product_id', n) FROM generate_series(1, %s) n
"""
NOOP_DONE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"


class StalledError(RuntimeError):
    """Too little arrived within a minute more than it may take."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a worker (PSS, MB) after so many seconds and products of all workers."""

    seconds: float
    products: int
    megabytes: float


def products_per_second(
    server: Server, template: Staging, profile: str, photos: int, seconds: float
) -> float:
    """Run two workers over a queue of products for so long, or until most of it is done."""
    (count,) = template.query("SELECT count(*) FROM raw_products")[0]
    with _at_work(server, template, profile) as (_, url):
        arrived = _watch(url, count * photos, seconds)
    counted = sum(number for _, number in arrived[WARM_UP + 1 :])
    return counted / (arrived[-1][0] - arrived[WARM_UP][0]) / photos


def noops_per_second(server: Server, seconds: float) -> float:
    """Run two workers of bare procrastinate over a task that does nothing."""
    with server.bare() as staging, processes.programs() as running:
        running.environ |= {"BENCH_DB_URL": staging.url}
        procrastinate = (sys.executable, "-m", "procrastinate", "--app", "ops.bench.sync_noop.app")
        running.run(Program("schema", (*procrastinate, "schema", "--apply")))
        staging.query(NOOP_FILL, [NOOP_JOBS])
        staging.query("VACUUM ANALYZE")
        for number in range(WORKERS):
            worker = (*procrastinate, "worker", "--concurrency", str(CONCURRENCY))
            running.start(Program(f"noop-{number}", worker, "Starting worker"))
        return _noop_rate(staging, seconds)


def memory(server: Server, template: Staging, profile: str, seconds: float, photos: int) -> list[Memory]:
    """Sample the memory of the larger of two workers while they work."""
    with _at_work(server, template, profile) as (workers, url):
        begun, samples = time.monotonic(), list[Memory]()
        for part in range(6):
            time.sleep(max(0.0, begun + 1 + part * seconds / 5 - time.monotonic()))
            products = sum(number for _, number in processes.arrivals(url)) // photos
            largest = max(map(processes.megabytes, workers))
            samples.append(Memory(time.monotonic() - begun, products, largest))
        return samples


@contextlib.contextmanager
def _at_work(server: Server, template: Staging, profile: str) -> Iterator[tuple[list[psutil.Process], str]]:
    with server.copy(template) as staging, processes.programs() as running:
        staging.query("UPDATE throttle SET rate = 1e6")  # as an operator would: over any limit there is
        url = processes.start_upstream(running)
        running.environ |= processes.environ(staging, url, profile, 1000)
        yield processes.start_workers(running, WORKERS), url


def _watch(url: str, photos: int, seconds: float) -> processes.Arrivals:
    """Wait for `seconds` after the warm-up, or until ENOUGH of the photos are there; returns the arrivals."""
    arrived: processes.Arrivals = []
    gives_up = time.monotonic() + seconds + STALLED_SECONDS
    while len(arrived) <= WARM_UP + 1 or (
        time.monotonic() - arrived[WARM_UP][0] < seconds
        and sum(number for _, number in arrived) < photos * ENOUGH
    ):
        if time.monotonic() > gives_up:
            raise StalledError(f"{len(arrived)} calls in {seconds + STALLED_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)
        arrived = processes.arrivals(url)
    return arrived


def _noop_rate(staging: Staging, seconds: float) -> float:
    gives_up = time.monotonic() + STALLED_SECONDS
    while (before := staging.query(NOOP_DONE)[0][0]) < NOOP_JOBS * 0.01:
        if time.monotonic() > gives_up:
            raise StalledError(f"{before} jobs in {STALLED_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)
    begun = time.monotonic()
    time.sleep(seconds)
    done, ended = staging.query(NOOP_DONE)[0][0] - before, time.monotonic()
    return float(done) / (ended - begun)
