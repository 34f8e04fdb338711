"""Brings the schema `ximilar` up to date: procrastinate's tables, then the numbered files of sql/migrations/.

Repeating it is harmless. Each step is one transaction with its record, so it works through PgBouncer and a
failed one leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Container, Iterator
from pathlib import Path

import procrastinate.schema
import psycopg
from croniter import croniter

from .connection import SyncConnection
from .database import conninfo
from .queries import SQL_FOLDER, sql
from .schedule import CRON

Connection = psycopg.Connection[psycopg.rows.TupleRow]

BOOTSTRAP = """
CREATE TABLE IF NOT EXISTS ximilar.schema_version (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
BASELINE = "procrastinate baseline"
_QUEUE_MIGRATION = re.compile(r"\d\d\.\d\d\.\d\d_\d\d_.*\.sql")


class MigrationError(RuntimeError):
    """The schema cannot be brought up to date; the message says what the owner of Staging has to do."""


def migrate(url: str) -> list[str]:
    """Apply what is missing and return the names of the steps applied. Raises MigrationError, psycopg.Error."""
    with SyncConnection.connect(conninfo(url), autocommit=True, prepare_threshold=None) as connection:
        with _alone(connection):
            _ensure_schema(connection)
        new_path = _ensure_search_path(connection)
        with _alone(connection):
            connection.execute(BOOTSTRAP)
            _take_over(connection)
        applied = [name for name, script in _steps(connection) if _apply(connection, name, script)]
        _seed_ticks(connection)
        if new_path:
            _end_backend(connection)
    return applied


def lacking(applied: Container[str]) -> list[str]:
    """Return the names of our own steps that are not among those applied, in order."""
    return [path.name for path in _own_migrations() if path.name not in applied]


@contextlib.contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """A transaction in the schema, of one migrator at a time."""
    with connection.transaction():
        # Of the transaction, both of them and the lock: they survive PgBouncer. The role's own timeout is for
        # scrapers' locks; another migrator may take longer.
        connection.execute("SET LOCAL lock_timeout = '60s'")
        connection.execute("SET LOCAL search_path = ximilar, public")
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('ximilar.migrate'))")
        yield


def _ensure_schema(connection: Connection) -> None:
    exists = connection.execute("SELECT to_regnamespace('ximilar') IS NOT NULL").fetchone()
    if exists and exists[0]:
        return
    try:
        connection.execute("CREATE SCHEMA ximilar")
    except psycopg.errors.InsufficientPrivilege:
        raise MigrationError(
            "the schema `ximilar` does not exist and this role may not create it: "
            "the owner of Staging runs sql/grants.sql first"
        ) from None


def _ensure_search_path(connection: Connection) -> bool:
    """Have this role find the schema by itself, where sql/grants.sql has not seen to it. Returns whether it did."""
    found = connection.execute("SELECT 'ximilar' = ANY (current_schemas(false))").fetchone()
    if found and found[0]:
        return False
    role, database = connection.execute("SELECT current_user, current_database()").fetchone() or ("", "")
    connection.execute(
        psycopg.sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = ximilar, public").format(
            psycopg.sql.Identifier(role), psycopg.sql.Identifier(database)
        )
    )
    return True


def _end_backend(connection: Connection) -> None:
    """End the backend that was used: a pooler would lend it to a worker, and it keeps the path it began with."""
    with contextlib.suppress(psycopg.OperationalError):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def _steps(connection: Connection) -> Iterator[tuple[str, str]]:
    """All steps in order: procrastinate's schema or its upgrades, then ours."""
    yield BASELINE, procrastinate.schema.SchemaManager.get_schema()
    for path in _queue_migrations():
        yield f"procrastinate {path.name}", path.read_text()
    for path in _own_migrations():
        yield path.name, path.read_text()


def _take_over(connection: Connection) -> None:
    """Record procrastinate's schema as applied where its own `schema --apply` has made it before us."""
    present = connection.execute("SELECT to_regclass('ximilar.procrastinate_jobs') IS NOT NULL").fetchone()
    recorded = {row[0] for row in connection.execute(sql("applied"))}
    if BASELINE in recorded or not (present and present[0]):
        return
    wanted = set(re.findall(r"CREATE FUNCTION (\w+)", procrastinate.schema.SchemaManager.get_schema()))
    found = connection.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'ximilar'::regnamespace")
    if wanted - {row[0] for row in found}:
        raise MigrationError(
            "the schema `ximilar` holds procrastinate's tables of another version, made by somebody else: "
            "bring them up to date with its own migrations (`procrastinate schema --migrations-path`) first"
        )
    _record_baseline(connection)


def _apply(connection: Connection, name: str, script: str) -> bool:
    with _alone(connection):
        if connection.execute("SELECT 1 FROM schema_version WHERE name = %s", [name]).fetchone():
            return False
        connection.execute(script)
        if name == BASELINE:
            _record_baseline(connection)
        else:
            _record(connection, [name])
    return True


def _record_baseline(connection: Connection) -> None:
    """The baseline holds what the migrations shipped with it would do."""
    _record(connection, [BASELINE, *(f"procrastinate {path.name}" for path in _queue_migrations())])


def _record(connection: Connection, names: list[str]) -> None:
    connection.cursor().executemany(
        "INSERT INTO schema_version (name) VALUES (%s)", [(name,) for name in names]
    )


def _queue_migrations() -> list[Path]:
    folder = Path(procrastinate.schema.SchemaManager.get_migrations_path())
    return sorted(path for path in folder.iterdir() if _QUEUE_MIGRATION.fullmatch(path.name))


def _own_migrations() -> list[Path]:
    return sorted((SQL_FOLDER / "migrations").glob("*.sql"))


def _seed_ticks(connection: Connection) -> None:
    """Record the last past tick of each periodic task as done, where the task is new."""
    with _alone(connection):
        for task, cron in CRON.items():
            tick = int(croniter(cron, time.time()).get_prev(float))
            connection.execute(sql("seed_tick"), {"task": task, "tick": tick})
