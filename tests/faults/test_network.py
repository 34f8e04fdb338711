"""The way to the database is slow, silent, or gone without a word."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ops.local import staging
from ops.local.postgres import Cluster
from tests.fix_drill import Drill
from tests.fix_hosts import Host, Network
from tests.fix_pgbouncer import ADMIN, PgBouncer, find_program
from tests.fix_proxy import FaultProxy
from tests.fix_system import Worker, wait_until

IN_FLIGHT = 8
WORKER = (sys.executable, "-m", "procrastinate_app", "worker")


def worker_on(drill: Drill, network: Network, host: Host) -> Worker:
    """A worker on a host, which knows of the database and of Ximilar and of nothing else."""
    system = drill.system
    return system.worker(
        *host.command(*WORKER),
        STAGING_DB_URL=network.reach(system.database.url),
        XIMILAR_API_URL=network.reach(system.emulator.url),
    )


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [20, 60])
def test_black_hole(drill: Drill, network: Network, seconds: int) -> None:
    """Every packet is dropped and nobody is told; TCP alone would wait for a quarter of an hour."""
    host = network.host()
    worker = worker_on(drill, network, host)
    drill.begin(60, sent=5)
    host.cut_off()
    begun = wait_for_notice(drill, worker, 40)
    wait_until(lambda: time.monotonic() - begun >= seconds, seconds + 1)
    host.heal()
    drill.healed()
    drill.wait_for_recovery(60)
    drill.judge(again=IN_FLIGHT, seconds=150)
    assert worker.process.poll() is None


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_frozen_behind_the_pooler(drill: Drill, behind_pooler: tuple[str, FaultProxy]) -> None:
    """The line to PgBouncer is in order, its line to Postgres is not: only a deadline of the worker's own sees that."""
    url, proxy = behind_pooler
    worker = drill.system.worker(STAGING_DB_URL=url)
    drill.begin(60, sent=5)
    proxy.black_hole()
    wait_for_notice(drill, worker, 110)
    proxy.reset()
    proxy.heal()
    drill.healed()
    drill.wait_for_recovery(90)
    drill.judge(again=IN_FLIGHT, seconds=150)
    assert worker.process.poll() is None


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_slow_link(drill: Drill, start_proxy: Callable[[str], FaultProxy]) -> None:
    """A fifth of a second each way: slow, but nothing is lost, repeated or sent above the limit."""
    system, proxy = drill.system, start_proxy(drill.system.database.url)
    proxy.delay(0.2)
    worker = system.worker(STAGING_DB_URL=proxy.address(system.database.url))
    drill.begin(20, sent=1)
    drill.judge(again=0, seconds=200)
    assert worker.process.poll() is None


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_lost_packets(drill: Drill, network: Network) -> None:
    """A tenth of the packets to and from the database is lost: statements take long, and nothing follows from it."""
    system, host = drill.system, network.host()
    database = network.proxy(system.database.url)
    network.lose(10, database.port)
    worker = system.worker(
        *host.command(*WORKER),
        STAGING_DB_URL=database.address(system.database.url),
        XIMILAR_API_URL=network.reach(system.emulator.url),
    )
    drill.begin(100, sent=1)
    system.wait_for_states(200, synced=100)
    drill.figures["packets lost"] = network.lost()
    drill.judge(again=0)
    assert network.lost() > 100, "the fault has no effect"
    assert worker.events("job_rescued") == [], "a lease was overrun"
    assert worker.end() == 0


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", ["killed", "shut down", "paused", "reloaded"])
def test_pgbouncer(drill: Drill, pgbouncer: PgBouncer, pooled: str, how: str) -> None:
    system = drill.system
    worker = system.worker(STAGING_DB_URL=pooled)
    drill.begin(60, photos=1, sent=5)
    if how in ("killed", "shut down"):
        pgbouncer.stop(signal.SIGKILL if how == "killed" else signal.SIGTERM)
        wait_until(lambda: notices(worker) > 0, 60, system.tails)
        pgbouncer.start()
    else:
        interrupt(pgbouncer, how)
    drill.healed()
    drill.wait_for_recovery(45)
    drill.judge(again=IN_FLIGHT, seconds=120)
    assert worker.process.poll() is None


def interrupt(pgbouncer: PgBouncer, how: str) -> None:
    """PAUSE for ten seconds, or RELOAD."""
    with psycopg.connect(pgbouncer.admin_url, autocommit=True, prepare_threshold=None) as console:
        console.execute("PAUSE" if how == "paused" else "RELOAD")
        if how == "paused":
            resumed_at = time.monotonic() + 10
            wait_until(lambda: time.monotonic() >= resumed_at, 11)
            console.execute("RESUME")


def wait_for_notice(drill: Drill, worker: Worker, seconds: float) -> float:
    """Wait until the worker says that it misses the database; returns since when, of the monotonic clock."""
    begun = time.monotonic()
    wait_until(lambda: notices(worker) > 0, seconds, drill.system.tails)
    drill.figures["noticed after seconds"] = round(time.monotonic() - begun, 1)
    return begun


def notices(worker: Worker) -> int:
    """How often the worker has said that it misses the database."""
    text = worker.log.read_text()
    return sum(text.count(f'"{event}"') for event in ("heartbeat_failed", "fetch_failed", "worker_fell"))


@pytest.fixture
def behind_pooler(
    drill: Drill, cluster: Cluster, role_password: str, start_proxy: Callable[[str], FaultProxy]
) -> Iterator[tuple[str, FaultProxy]]:
    """The URL of a PgBouncer of this test's own, and what stands between it and Postgres."""
    proxy = start_proxy(cluster.url())
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-pgbouncer-"))
    users = {staging.ROLE: role_password, ADMIN: role_password}
    bouncer = PgBouncer(find_program(), folder, proxy.port, users)
    try:
        bouncer.start()
        yield bouncer.url(staging.ROLE, drill.system.database.name), proxy
    finally:
        bouncer.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
