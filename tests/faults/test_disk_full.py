"""The disk of the database is full: nothing can be written down, so nothing is uploaded, until there is room again."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app.migrations import migrate
from tests.fix_drill import Drill
from tests.fix_postgres import Database
from tests.fix_system import wait_until

SIZE_MEGABYTES = 400
IN_FLIGHT = 8


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few hundred megabytes; skips where it cannot be mounted."""
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root")
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MEGABYTES}m", "drill", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def on_small_disk(drill: Drill, small_disk: Path) -> Iterator[Cluster]:
    """A server on the small disk, with the system's Staging in it."""
    folder = small_disk / "postgres"
    password = secrets.token_urlsafe(16)
    with Cluster(folder, durable=False) as cluster:
        with psycopg.connect(cluster.url(), autocommit=True) as server:
            server.execute("CREATE DATABASE drill")
        owner_url, url = cluster.url(SUPERUSER, "drill"), cluster.url(staging.ROLE, "drill", password)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            staging.prepare(owner, password)
        migrate(url)
        drill.system.database = Database("drill", url, owner_url)
        drill.system.environ["STAGING_DB_URL"] = url
        yield cluster


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_disk_full(drill: Drill, on_small_disk: Cluster, small_disk: Path) -> None:
    system = drill.system
    worker = system.worker()
    drill.begin(80, sent=5)
    filler = small_disk / "filler"
    fill(filler)
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        wait_until(lambda: cannot_write(owner), 60)
    stored = len(system.emulator.photos())
    wait_until(lambda: notices(worker.log) > 0 or len(system.emulator.photos()) >= 80, 60, system.tails)
    drill.figures["stored while it was full"] = len(system.emulator.photos()) - stored
    filler.unlink()
    on_small_disk.start()  # a full disk may have ended it
    drill.healed()
    drill.wait_for_recovery(60)
    drill.judge(again=IN_FLIGHT, seconds=150)
    assert worker.process.poll() is None


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def cannot_write(owner: psycopg.Connection) -> bool:
    """Whether the server has met the end of its disk."""
    try:
        rows = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
        owner.execute(f"CREATE TABLE public.ballast AS {rows}".encode())
        owner.execute("DROP TABLE public.ballast")
    except psycopg.Error:
        return True
    return False


def notices(log: Path) -> int:
    """How often the worker has said that the database does not do what it is asked."""
    text = log.read_text()
    return sum(text.count(f'"{event}"') for event in ("heartbeat_failed", "fetch_failed", "worker_fell"))
