"""Brings the schema `ximilar` up to date: procrastinate's tables, then the numbered files of sql/migrations/.

Repeating it is harmless. Each step is one transaction with its record, so it works through PgBouncer and a
failed one leaves nothing behind.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import procrastinate.schema
import psycopg
from croniter import croniter

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
    with psycopg.connect(conninfo(url), autocommit=True, prepare_threshold=None) as connection:
        _ensure_schema(connection)
        connection.execute(BOOTSTRAP)
        applied = [name for name, script in _steps(connection) if _apply(connection, name, script)]
        _seed_ticks(connection)
    return applied


def pending(connection: Connection) -> list[str]:
    """Return the names of the steps that are not applied yet; the schema exists."""
    done = {row[0] for row in connection.execute(sql("applied"))}
    return [name for name, _ in _steps(connection) if name not in done]


def _ensure_schema(connection: Connection) -> None:
    exists = connection.execute("SELECT to_regnamespace('ximilar') IS NOT NULL").fetchone()
    if exists and exists[0]:
        return
    try:
        connection.execute("CREATE SCHEMA ximilar")
        connection.execute(_set_search_path(connection))
    except psycopg.errors.InsufficientPrivilege:
        raise MigrationError(
            "the schema `ximilar` does not exist and this role may not create it: "
            "the owner of Staging runs sql/grants.sql first"
        ) from None


def _set_search_path(connection: Connection) -> psycopg.sql.Composed:
    return psycopg.sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = ximilar, public").format(
        psycopg.sql.Identifier(connection.info.user), psycopg.sql.Identifier(connection.info.dbname)
    )


def _steps(connection: Connection) -> Iterator[tuple[str, str]]:
    """All steps in order: procrastinate's schema or its upgrades, then ours."""
    present = connection.execute("SELECT to_regclass('ximilar.procrastinate_jobs') IS NOT NULL").fetchone()
    recorded = {row[0] for row in connection.execute(sql("applied"))}
    if not (present and present[0]) or BASELINE in recorded:
        yield BASELINE, procrastinate.schema.SchemaManager.get_schema()
    for path in _queue_migrations():
        yield f"procrastinate {path.name}", path.read_text()
    for path in sorted((SQL_FOLDER / "migrations").glob("*.sql")):
        yield path.name, path.read_text()


def _apply(connection: Connection, name: str, script: str) -> bool:
    with connection.transaction():
        # Transaction-level lock and path: both survive PgBouncer, and two migrators do not meet.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('ximilar.migrate'))")
        connection.execute("SET LOCAL search_path = ximilar, public")
        connection.execute("SET LOCAL lock_timeout = '60s'")
        if connection.execute("SELECT 1 FROM schema_version WHERE name = %s", [name]).fetchone():
            return False
        connection.execute(script)
        if name == BASELINE:
            _record(connection, [f"procrastinate {path.name}" for path in _queue_migrations()])
        _record(connection, [name])
    return True


def _record(connection: Connection, names: list[str]) -> None:
    connection.cursor().executemany(
        "INSERT INTO schema_version (name) VALUES (%s)", [(name,) for name in names]
    )


def _queue_migrations() -> list[Path]:
    folder = Path(procrastinate.schema.SchemaManager.get_migrations_path())
    return sorted(path for path in folder.iterdir() if _QUEUE_MIGRATION.fullmatch(path.name))


def _seed_ticks(connection: Connection) -> None:
    """Record the last past tick of each periodic task as done, where the task is new."""
    with connection.transaction():
        connection.execute("SET LOCAL search_path = ximilar, public")
        for task, cron in CRON.items():
            tick = int(croniter(cron, time.time()).get_prev(float))
            connection.execute(sql("seed_tick"), {"task": task, "tick": tick})
