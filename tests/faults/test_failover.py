"""Postgres fails over to a streaming standby that lacks the last commits: what was forgotten is done again."""

from __future__ import annotations

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

from ops.local.account import Account
from ops.local.binaries import Binaries
from ops.local.postgres import SUPERUSER, Cluster
from tests.fix_drill import Drill
from tests.fix_postgres import Database
from tests.fix_system import System


@dataclass(slots=True)
class Standby:
    """A standby that streams from `primary`, and the way to make it the primary."""

    cluster: Cluster
    primary: Cluster
    binaries: Binaries

    def both(self, url: str) -> str:
        """`url`, which names the primary, with both hosts: whichever takes writes is used."""
        parts = urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        hosts = f"{host},{self.cluster.host}:{self.cluster.port}"
        return parts._replace(netloc=f"{login}@{hosts}", query="target_session_attrs=read-write").geturl()

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
        second.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("loses_commits", [False, True], ids=["in step", "loses commits"])
def test_fail_over(drill: Drill, standby: Standby, *, loses_commits: bool) -> None:
    system, primary = drill.system, standby.primary
    worker = system.worker(STAGING_DB_URL=standby.both(system.database.url))
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


def moved(database: Database, cluster: Cluster) -> Database:
    """The same database on another server."""
    owner_url = cluster.url(SUPERUSER, database.name)
    there = urlsplit(owner_url).netloc.rpartition("@")[2]
    parts = urlsplit(database.url)
    login = parts.netloc.rpartition("@")[0]
    return replace(database, url=parts._replace(netloc=f"{login}@{there}").geturl(), owner_url=owner_url)
