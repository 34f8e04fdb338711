"""Everything a storm rages in: Postgres, PgBouncer, photos, an emulated Ximilar, two workers and a gateway."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from ops.local import staging
from ops.local.loopback import HOST, free_port
from ops.local.photo_server import PhotoServer
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app.migrations import migrate
from tests import canaries
from tests.fix_pgbouncer import ADMIN, SYSTEM_FOLDERS, PgBouncer
from tests.fix_system import COLLECTION, IMAGES, Emulator
from web.console import actions
from web.console.audit import Refused
from web.console.staging import Staging
from web.gateway.callers import issue

from .programs import Program, Supervisor, environment

DATABASE = "storm"
WORKERS = 2
GATEWAY_PROCESSES = 2
# The gateway asks within the emulator's limit as well, and the workers must not be refused because of it.
ROOM_FOR_THE_GATEWAY = 100
XIMILAR_SECONDS = 0.05
OWNER_LIMITS = "-c lock_timeout=15s -c statement_timeout=60s"


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is: products at the beginning, requests a second of the workers together."""

    products: int
    rate: int
    profile: str


@dataclass(slots=True)
class World:
    """The running parts, and what may be done to them from outside."""

    size: Size
    folder: Path
    cluster: Cluster
    pooler: PgBouncer
    photos_url: str
    emulator: Emulator
    workers: list[Program]
    gateway: Program
    supervisor: Supervisor
    console: Staging = field(repr=False)
    bearer: str = field(repr=False)

    @property
    def gateway_url(self) -> str:
        """The gateway's base URL."""
        return self.gateway.ready()[1]

    def owner(self) -> psycopg.Connection:
        """Connect as the owner of Staging, in autocommit. Raises psycopg.OperationalError while it is away."""
        url = self.cluster.url(SUPERUSER, DATABASE)
        return psycopg.connect(url, autocommit=True, connect_timeout=3, options=OWNER_LIMITS)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a statement of the owner's."""
        with self.owner() as owner:
            return owner.execute(statement.encode(), parameters).fetchall()

    def run_task(self, task: str) -> None:
        """Press the console's button, unless a job waits already or the database is away."""
        with contextlib.suppress(Refused, psycopg.Error):
            actions.run_task(self.console, task)

    def resume_account(self) -> None:
        """What an operator does who is told that Ximilar is well again."""
        with contextlib.suppress(Refused, psycopg.Error):
            actions.resume_account(self.console)


@contextlib.contextmanager
def opened(size: Size) -> Iterator[World]:
    """Yield the world at work. Its folder, with all logs, is left behind when something raises."""
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-storm-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        yield _build(size, folder, stack)
        stack.close()
        shutil.rmtree(folder, ignore_errors=True)


def _build(size: Size, folder: Path, stack: contextlib.ExitStack) -> World:
    token, password = canaries.PLANTED["token"], canaries.PLANTED["database-password"]
    cluster = Cluster(folder / "postgres", durable=False)
    stack.callback(cluster.remove)
    cluster.start()
    _make_staging(cluster, password)
    pooler = _pooler(folder, cluster, password)
    stack.callback(pooler.stop)
    pooler.start()
    photos = stack.enter_context(PhotoServer(IMAGES))
    logs = folder / "logs"
    logs.mkdir()
    emulator = _emulator(logs, token, size, stack)
    role_url = pooler.url(staging.ROLE, DATABASE)
    settings = {
        "STAGING_DB_URL": role_url,
        "XIMILAR_API_URL": emulator.url,
        "XIMILAR_API_TOKEN": token,
        "XIMILAR_COLLECTION_ID": COLLECTION,
        "XIMILAR_API_PROFILE": size.profile,
        "XIMILAR_ALLOW_PRIVATE_URLS": "on",
        "LOG_FORMAT": "json",
    }
    workers = [_worker(number, logs, settings, size) for number in range(1, WORKERS + 1)]
    bearer, gateway = _gateway(folder, settings)
    for program in (*workers, gateway):
        stack.callback(program.end)
    supervisor = stack.enter_context(Supervisor([*workers, gateway]))
    console = Staging(role_url, size=4, seconds=10)
    stack.callback(console.close)
    world = World(
        size, logs, cluster, pooler, photos.url, emulator, workers, gateway, supervisor, console, bearer
    )  # fmt: skip
    for program in (*workers, gateway):
        program.ready()
    return world


def _make_staging(cluster: Cluster, password: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(cluster.url(SUPERUSER, DATABASE), autocommit=True) as owner:
        staging.prepare(owner, password)
    migrate(cluster.url(staging.ROLE, DATABASE, password))


def _pooler(folder: Path, cluster: Cluster, password: str) -> PgBouncer:
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    if program is None:
        raise RuntimeError("PgBouncer is not installed (apt-get install pgbouncer)")
    place = folder / "pgbouncer"
    place.mkdir()
    return PgBouncer(program, place, cluster.port, {staging.ROLE: password, ADMIN: password})


def _emulator(folder: Path, token: str, size: Size, stack: contextlib.ExitStack) -> Emulator:
    limits = ("--rate", str(size.rate + ROOM_FOR_THE_GATEWAY), "--delay", str(XIMILAR_SECONDS))
    command = ("-m", "ops.emulator", "--port", "0", "--token", token, "--collection", COLLECTION, *limits)
    program = Program(
        "emulator", (sys.executable, *command), environment(), folder, ready=r"listening on (http://\S+)"
    )
    stack.callback(program.end)
    return Emulator(program.ready()[1])


def _worker(number: int, folder: Path, settings: dict[str, str], size: Size) -> Program:
    variables = {
        **settings,
        "XIMILAR_RATE_LIMIT": str(size.rate),
        "BATCH_SIZE": "100000",
        "REPAIR_SHARE": "1",
        "XIMILAR_REMOVE": "on",
        "XIMILAR_CARRY_METADATA": "on",
        "REMOVAL_DEBOUNCE_SECONDS": "2",
        "REMOVAL_FREE_PRODUCTS": "1000000",  # a load with other ids is the loss of all products
        "REMOVAL_MAX_PRODUCTS": "1000000",
    }
    command = (sys.executable, "-m", "procrastinate_app", "worker")
    return Program(
        f"worker-{number}", command, environment(**variables), folder, ready='"event": "worker_started"'
    )


def _gateway(folder: Path, settings: dict[str, str]) -> tuple[str, Program]:
    bearer, line = issue("storm")
    tokens = folder / "tokens"
    tokens.write_text(line + "\n")
    variables = {name: value for name, value in settings.items() if name != "STAGING_DB_URL"}
    variables |= {
        "HOST": HOST,
        "PORT": str(free_port()),
        "WORKERS": str(GATEWAY_PROCESSES),
        "GATEWAY_TOKENS_FILE": str(tokens),
        "GATEWAY_DEADLINE_SECONDS": "5",
        "GATEWAY_CACHE_SECONDS": "0",
        "GATEWAY_BREAKER_SECONDS": "1",
        "GATEWAY_READ_SECONDS": "2",
        "GATEWAY_PROBE_SECONDS": "1",
    }
    command = (sys.executable, "-m", "gunicorn", "-c", "web/gateway/gunicorn.conf.py")
    program = Program(
        "gateway",
        (*command, "web.gateway.wsgi:application"),
        environment(**variables),
        folder / "logs",
        ready=r"Listening at: (http://[0-9.:]+)",
    )
    return bearer, program
