"""Fixtures for the real PgBouncer in transaction mode, as it stands in front of Staging."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ops.local import staging
from ops.local.account import Account
from ops.local.loopback import HOST, free_port
from ops.local.postgres import Cluster
from tests.fix_postgres import Database

ADMIN = "bouncer"
START_SECONDS = 10
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"

CONFIGURATION = """\
[databases]
* = host={host} port={postgres_port}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
admin_users = {admin}
pool_mode = transaction
default_pool_size = 5
reserve_pool_size = 2
reserve_pool_timeout = 1
max_client_conn = 400
logfile = {folder}/log
"""


class PgBouncer:
    """One PgBouncer process, which tests may kill and start again on the same port."""

    def __init__(self, program: str, folder: Path, postgres_port: int, users: dict[str, str]) -> None:
        self.port = free_port()
        self.log = folder / "log"
        self._program = program
        self._configuration = folder / "pgbouncer.ini"
        self._users = users
        self._account = Account.for_servers()
        self._process: subprocess.Popen[bytes] | None = None
        text = CONFIGURATION.format(
            host=HOST, postgres_port=postgres_port, port=self.port, folder=folder, admin=ADMIN
        )
        self._configuration.write_text(text, encoding="utf-8")
        lines = (f'"{user}" "{password}"\n' for user, password in users.items())
        (folder / "users").write_text("".join(lines), encoding="utf-8")
        self._account.own(folder)

    def url(self, user: str, database: str) -> str:
        """Return a connection URL through the pooler."""
        return f"postgresql://{user}:{self._users[user]}@{HOST}:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        """The URL of its console, for PAUSE, RECONNECT, SHOW POOLS and the like."""
        return self.url(ADMIN, "pgbouncer")

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [self._program, "-q", str(self._configuration)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._account.process_options
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PgBouncer did not start; its log:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it: SIGTERM cuts all connections, SIGINT waits for its clients, SIGKILL is a crash."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        self._process.wait(START_SECONDS)
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Signal it: SIGUSR1 pauses it as PAUSE does, SIGUSR2 resumes."""
        if self._process is not None:
            self._process.send_signal(number)

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else "(no log)"
        return "\n".join(text.splitlines()[-30:])

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.admin_url, autocommit=True, prepare_threshold=None).close()
        except psycopg.OperationalError:
            return False
        return True


def find_program() -> str:
    """The path of PgBouncer; skips the test where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    if program is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    return program


@pytest.fixture(scope="session")
def pgbouncer(cluster: Cluster, role_password: str) -> Iterator[PgBouncer]:
    """A PgBouncer in transaction mode in front of all databases; skips where it is not installed."""
    program = find_program()
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-pgbouncer-"))
    bouncer = PgBouncer(program, folder, cluster.port, {staging.ROLE: role_password, ADMIN: role_password})
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pooled(pgbouncer: PgBouncer, database: Database, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the test's database through PgBouncer; the pooler's log is shown when the test fails."""
    pgbouncer.start()  # a test may have stopped it
    failures = request.session.testsfailed
    yield pgbouncer.url(staging.ROLE, database.name)
    if request.session.testsfailed > failures:
        sys.stderr.write(f"PgBouncer's log ends:\n{pgbouncer.log_tail()}\n")
