"""Postgres fails over to a streaming standby: what was forgotten is done again, and who comes back is not used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from ops.local.account import Account
from ops.local.binaries import Binaries
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app import connection, timeline
from procrastinate_app.connection import Connection, SyncConnection
from procrastinate_app.database import Database as OpenDatabase
from procrastinate_app.database import open_database
from tests.fix_drill import Drill
from tests.fix_postgres import Database
from tests.fix_system import System, Worker, wait_until
from web.console.staging import Staging

CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE usename = 'ximilar' AND datname = current_database()
"""
TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
     WHERE table_schema IN ('public', 'ximilar') AND table_type = 'BASE TABLE'
"""
ROWS = sql.SQL("SELECT t::text FROM {} t")


@dataclass(slots=True)
class Standby:
    """A standby that streams from `primary`, and the way to make it the primary."""

    cluster: Cluster
    primary: Cluster
    binaries: Binaries

    def both(self, url: str, *, standby_first: bool = False) -> str:
        """`url`, which names the primary, with both hosts: whichever takes writes is used."""
        parts = urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        named = [host, f"{self.cluster.host}:{self.cluster.port}"]
        hosts = ",".join(reversed(named) if standby_first else named)
        return parts._replace(netloc=f"{login}@{hosts}", query="target_session_attrs=read-write").geturl()

    def keep_in_step(self) -> None:
        """Let no commit of the primary return before the standby has it, until its settings are read again."""
        with psycopg.connect(self.primary.url(), autocommit=True) as server:

            def waits() -> bool:
                return server.execute("SHOW synchronous_standby_names").fetchone() == ("*",)

            server.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            server.execute("SELECT pg_reload_conf()")
            wait_until(waits, 10)
            server.execute("ALTER SYSTEM RESET synchronous_standby_names")

    def lag(self) -> None:
        """Let nothing through to the standby any more, although it is connected."""
        with psycopg.connect(self.primary.url()) as server:
            for (pid,) in server.execute("SELECT pid FROM pg_stat_replication"):
                os.kill(pid, signal.SIGSTOP)

    def promote(self) -> None:
        """Make it the primary."""
        data = str(self.cluster.directory.resolve() / "data")
        code, output = self.binaries.run("pg_ctl", "promote", "--wait", "--pgdata", data)
        assert code == 0, output


@pytest.fixture
def standby(system: System, cluster: Cluster) -> Iterator[Standby]:
    """A standby of the session's server, copied while that runs."""
    account = Account.for_servers()
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-standby-"))
    account.own(folder)
    second = Cluster(folder, durable=False)
    binaries = Binaries(folder, account)
    try:
        binaries.install()
        shutil.copy(cluster.directory.resolve() / "superuser-password", folder / "superuser-password")
        account.own(folder)
        copied = ("--pgdata", str(folder / "data"), "--write-recovery-conf", "--checkpoint=fast")
        code, output = binaries.run("pg_basebackup", "--dbname", cluster.url(), *copied)
        assert code == 0, output
        second.start()
        yield Standby(second, cluster, binaries)
    finally:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(cluster.url()) as server:
            server.execute("SELECT pg_reload_conf()")  # it waits for no standby any more
        second.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("loses_commits", [False, True], ids=["in step", "loses commits"])
def test_fail_over(drill: Drill, standby: Standby, *, loses_commits: bool) -> None:
    system, primary = drill.system, standby.primary
    worker = system.worker(STAGING_DB_URL=standby.both(system.database.url))
    if not loses_commits:
        standby.keep_in_step()
    drill.begin(60, sent=10)
    before = len(system.emulator.photos())
    if loses_commits:
        standby.lag()
        drill.wait_for_photos(before + 10)
    stored = len(system.emulator.photos())
    primary.kill()
    standby.promote()
    drill.healed()
    system.database = moved(system.database, standby.cluster)
    drill.wait_for_recovery(60)
    # Its run, its jobs and its ledger are as the standby knew them; Ximilar knows better what it has.
    # The slots of the lost commits are handed out again as well: 429 says so, and everybody pauses.
    drill.judge(
        again=stored - before + 8 if loses_commits else 8, seconds=150, rate=20 if loses_commits else 10
    )
    assert worker.process.poll() is None
    assert worker.end() == 0


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("standby_first", [False, True], ids=["old first", "new first"])
def test_the_old_primary_comes_back(drill: Drill, standby: Standby, *, standby_first: bool) -> None:
    system, primary, old = drill.system, standby.primary, drill.system.database
    both = standby.both(old.url, standby_first=standby_first)
    workers = [system.worker(STAGING_DB_URL=both)]
    drill.begin(150, sent=10)
    primary.kill()
    standby.promote()
    system.database = moved(old, standby.cluster)
    workers[0].process.send_signal(signal.SIGSTOP)  # so that it cannot be faster than who looks
    primary.start()
    before = rows(old)
    workers[0].process.send_signal(signal.SIGCONT)
    cut_off(system, drill)
    workers += [system.worker(STAGING_DB_URL=both)]
    done = system.run("procrastinate_app", "sync", STAGING_DB_URL=both)
    assert done.returncode == 0, done.stderr
    # The new one alone is away for a while: nobody makes do with the old one.
    standby.cluster.kill()
    wait_until(lambda: all(refusals(worker) for worker in workers), 60, system.tails)
    standby.cluster.start()
    drill.healed()
    drill.wait_for_recovery(60)
    drill.figures["writes to the old timeline"] = len(rows(old) ^ before)
    drill.judge(again=5 * 8, seconds=150)
    assert drill.figures["writes to the old timeline"] == 0
    assert rows(old) == before
    assert [worker.end() for worker in workers] == [0, 0]


@pytest.mark.parametrize("standby_first", [False, True], ids=["old first", "new first"])
def test_no_connection_ends_at_the_old_primary(
    standby: Standby, system: System, monkeypatch: pytest.MonkeyPatch, *, standby_first: bool
) -> None:
    both = standby.both(system.database.url, standby_first=standby_first)
    forget(monkeypatch)
    assert reached(both) == {standby.primary.port}
    standby.promote()  # and nobody has stopped the old one: both take writes
    if not standby_first:
        with psycopg.connect(both) as unguarded:
            assert unguarded.info.port == standby.primary.port
    forget(monkeypatch)
    assert reached(both) == {standby.cluster.port}
    standby.cluster.stop("immediate")
    with pytest.raises(psycopg.OperationalError, match="timeline 1, and timeline 2 was seen"):
        reached(both)


def test_pools_leave_the_old_primary_once_the_new_one_is_seen(
    standby: Standby, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = standby.both(system.database.url)

    async def leave() -> None:
        async with open_database(both, max_size=1) as database:
            assert await lent(database) == standby.primary.port
            with console.reading() as session:
                assert session.one("search_path_works") is not None
            standby.promote()
            monkeypatch.setattr(connection, "_surveyed", {})
            assert reached_sync(both) == standby.cluster.port
            assert await lent(database) == standby.cluster.port
            with console.reading() as session:
                assert session._connection.info.port == standby.cluster.port

    forget(monkeypatch)
    console = Staging(both, size=2, seconds=5)
    try:
        asyncio.run(leave())
    finally:
        console.close()


async def lent(database: OpenDatabase) -> int:
    """The port that the pool's connection ends at."""
    async with database.pool.connection() as found:
        port: int = found.info.port
        return port


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know as much of timelines as a process that has just started."""
    monkeypatch.setattr(timeline, "SEEN", timeline.Timelines())
    monkeypatch.setattr(connection, "_surveyed", {})


def reached(url: str) -> set[int]:
    """The ports that connections of either kind end at."""

    async def reach() -> int:
        async with await Connection.connect(url) as found:
            return found.info.port

    return {reached_sync(url), asyncio.run(reach())}


def reached_sync(url: str) -> int:
    with SyncConnection.connect(url) as found:
        return found.info.port


def cut_off(system: System, drill: Drill) -> None:
    """End every connection to the database in use, again and again while photos are stored."""
    for _ in range(3):
        before = len(system.emulator.photos())
        system.query(CUT)
        drill.wait_for_photos(before + 10)


def refusals(worker: Worker) -> list[dict[str, object]]:
    return worker.events("old_primary_refused")


def rows(database: Database) -> set[tuple[str, str]]:
    """Every row of every table, as text."""
    with psycopg.connect(database.owner_url) as owner:
        return {
            (table, text)
            for schema, table in owner.execute(TABLES.encode()).fetchall()
            for (text,) in owner.execute(ROWS.format(sql.Identifier(schema, table)))
        }


def moved(database: Database, cluster: Cluster) -> Database:
    """The same database on another server."""
    owner_url = cluster.url(SUPERUSER, database.name)
    there = urlsplit(owner_url).netloc.rpartition("@")[2]
    parts = urlsplit(database.url)
    login = parts.netloc.rpartition("@")[0]
    return replace(database, url=parts._replace(netloc=f"{login}@{there}").geturl(), owner_url=owner_url)
