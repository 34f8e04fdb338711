"""The two PgBouncer configurations: a real PgBouncer takes them, and the schema is made through them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ops.compose import setup
from ops.local import staging
from ops.local.account import Account
from ops.local.loopback import HOST, free_port
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app.migrations import migrate
from tests.fix_postgres import Database
from tests.fix_system import wait_until
from tests.integration.deployment import documents

OPS = Path(__file__).parents[3] / "ops"
Start = Callable[[str, str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts PgBouncer with a configuration and a list of users; returns its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    account, folder = Account.for_servers(), Path(tempfile.mkdtemp(prefix="ximilar-sync-pgbouncer-"))
    running: list[subprocess.Popen[bytes]] = []

    def begin(configuration: str, users: str) -> int:
        port = free_port()
        (folder / "userlist.txt").write_text(users)
        text = replaced(configuration, "/etc/pgbouncer/userlist.txt", f"{folder}/userlist.txt")
        (folder / "pgbouncer.ini").write_text(replaced(text, "listen_port = 6432", f"listen_port = {port}"))
        account.own(folder)
        command = [program, "-q", str(folder / "pgbouncer.ini")]
        log = (folder / "log").open("wb")
        with log:
            process = subprocess.Popen(command, stderr=log, **account.process_options)
        running.append(process)
        wait_until(
            lambda: process.poll() is None and _accepts(port), 10, lambda: (folder / "log").read_text()
        )
        return port

    yield begin
    for process in running:
        process.terminate()
        process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def _accepts(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://nobody@{HOST}:{port}/none", connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return "refused" not in str(error)
    return True


def replaced(text: str, old: str, new: str) -> str:
    """Replace what the sample is known to say; a sample that changed says so here."""
    assert old in text, old
    return text.replace(old, new)


def test_sample_for_staging_carries_the_sync(
    start: Start, database: Database, cluster: Cluster, role_password: str
) -> None:
    text = (OPS / "pgbouncer/pgbouncer.ini").read_text()
    text = replaced(text, "listen_addr = 10.1.0.10", f"listen_addr = {HOST}")
    ours = "unde_staging = host=127.0.0.1 port=5432 dbname=unde_staging"
    text = replaced(text, ours, f"* = host={HOST} port={cluster.port}")
    port = start(text, _users_as_documented(database))

    url = f"postgresql://{staging.ROLE}:{role_password}@{HOST}:{port}/{database.name}"
    assert migrate(url) == []
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        assert connection.execute("SELECT count(*) FROM photos").fetchone() == (0,)


def _users_as_documented(database: Database) -> str:
    """What the command in ops/pgbouncer/README.md writes."""
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed (apt-get install postgresql-client)")
    text = (OPS / "pgbouncer/README.md").read_text()
    command = text.split("```sh\n")[1].split("> userlist.txt")[0]
    done = documents.run(command, {"OWNER_URL": database.owner_url})
    assert done.stdout.startswith('"ximilar" "SCRAM-SHA-256$'), done.stderr
    return done.stdout


@pytest.fixture
def trusting() -> Iterator[Cluster]:
    """A server of its own that asks nobody for a password, as the development container does."""
    directory = Path(tempfile.mkdtemp(prefix="ximilar-sync-trusting-"))
    cluster = Cluster(directory, durable=False)
    try:
        cluster.start()
        with psycopg.connect(cluster.url(), autocommit=True) as server:
            (rules,) = server.execute("SHOW hba_file").fetchone() or ("",)
            Path(rules).write_text(f"host all all {HOST}/32 trust\n")
            server.execute("SELECT pg_reload_conf()")
            server.execute("CREATE DATABASE unde_staging")
        yield cluster
    finally:
        cluster.remove()
        shutil.rmtree(directory, ignore_errors=True)


def test_development_database_is_prepared_once(
    start: Start, trusting: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ops.compose.setup makes tables, schema and products; the programs come in through PgBouncer."""
    text = (OPS / "compose/pgbouncer.ini").read_text()
    text = replaced(text, "listen_addr = 0.0.0.0", f"listen_addr = {HOST}")
    text = replaced(text, "host=postgres port=5432", f"host={HOST} port={trusting.port}")
    port = start(text, (OPS / "compose/pgbouncer-users.txt").read_text())
    url = f"postgresql://{staging.ROLE}@{HOST}:{port}/unde_staging"
    monkeypatch.setenv("OWNER_URL", f"postgresql://{SUPERUSER}@{HOST}:{trusting.port}/unde_staging")
    monkeypatch.setenv("STAGING_DB_URL", f"postgresql://{staging.ROLE}@{HOST}:{trusting.port}/unde_staging")
    monkeypatch.setenv("PHOTOS_URL", "http://photos:8080")

    assert [setup.main(), setup.main()] == [0, 0]

    first, second = capsys.readouterr().out.splitlines()
    assert "34 products loaded" in first
    assert second == "0 migrations applied, 0 products loaded"
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        assert connection.execute("SELECT count(*) FROM raw_products").fetchone() == (34,)
        assert connection.execute("SELECT count(*) FROM photos").fetchone() == (0,)
        assert connection.execute("SELECT image_urls ->> 0 FROM raw_products").fetchone() is not None
