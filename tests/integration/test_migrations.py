"""The schema, from nothing and from an older state, whoever else migrates at the same time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import procrastinate.schema
import psycopg
import pytest
from croniter import croniter
from psycopg import sql

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app import migrations
from procrastinate_app.app import SchemaError
from procrastinate_app.migrations import BASELINE, MigrationError, migrate
from procrastinate_app.queries import SQL_FOLDER
from procrastinate_app.schedule import CRON
from tests.fix_catalogue import Catalogue
from tests.fix_pgbouncer import PgBouncer
from tests.fix_postgres import Database
from tests.fix_upstream import Upstream
from tests.fix_worker import Worker, connect

OURS = sorted(path.name for path in (SQL_FOLDER / "migrations").glob("*.sql"))


@pytest.fixture
def empty(cluster: Cluster, template: str, role_password: str) -> Iterator[Database]:
    """A database with the tables of Staging, the grants, and an empty schema `ximilar`."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        database = Database(
            name, cluster.url(staging.ROLE, name, role_password), cluster.url(SUPERUSER, name)
        )
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            staging.prepare(owner, role_password)
        yield database
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def recorded(database: Database) -> set[str]:
    with psycopg.connect(database.owner_url) as owner:
        return {row[0] for row in owner.execute("SELECT name FROM ximilar.schema_version")}


def dump(database: Database) -> list[tuple[object, ...]]:
    """The columns, indexes and functions of the schema."""
    with psycopg.connect(database.owner_url) as owner:
        return owner.execute(
            """
            SELECT 'column', table_name::text, column_name::text, data_type::text
              FROM information_schema.columns WHERE table_schema = 'ximilar'
             UNION ALL
            SELECT 'index', tablename::text, indexname::text, indexdef
              FROM pg_indexes WHERE schemaname = 'ximilar'
             UNION ALL
            SELECT 'function', proname::text, '', prosrc
              FROM pg_proc WHERE pronamespace = 'ximilar'::regnamespace
            ORDER BY 1, 2, 3, 4
            """
        ).fetchall()


def test_from_nothing_and_again(empty: Database) -> None:
    assert migrate(empty.url) == [BASELINE, *OURS]
    before = dump(empty)
    assert migrate(empty.url) == []
    assert dump(empty) == before
    assert {BASELINE, *OURS} < recorded(empty)


def test_through_pgbouncer(empty: Database, pgbouncer: PgBouncer, database: Database) -> None:
    pgbouncer.start()
    pooled = pgbouncer.url(staging.ROLE, empty.name)
    assert migrate(pooled) == [BASELINE, *OURS]
    assert migrate(pooled) == []
    assert dump(empty) == dump(database)


def test_several_at_once(empty: Database) -> None:
    faults: list[BaseException] = []
    begin = threading.Barrier(6)

    def run() -> None:
        begin.wait()
        try:
            migrate(empty.url)
        except BaseException as error:
            faults.append(error)

    migrators = [threading.Thread(target=run) for _ in range(6)]
    for thread in migrators:
        thread.start()
    for thread in migrators:
        thread.join()
    assert faults == []
    assert {BASELINE, *OURS} < recorded(empty)
    with connect(empty.owner_url) as owner:
        row = owner.execute("SELECT count(*) FROM ximilar.procrastinate_periodic_defers").fetchone()
    assert row == (len(CRON),)


def test_the_role_may_create_the_schema_itself(empty: Database) -> None:
    with connect(empty.owner_url) as owner:
        owner.execute("DROP SCHEMA ximilar")
        owner.execute(f"GRANT CREATE ON DATABASE {empty.name} TO ximilar")
        owner.execute(f"ALTER ROLE ximilar IN DATABASE {empty.name} RESET search_path")
    assert migrate(empty.url) == [BASELINE, *OURS]
    with connect(empty.url) as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)


def test_a_role_that_may_not_is_told_what_to_do(empty: Database) -> None:
    with connect(empty.owner_url) as owner:
        owner.execute("DROP SCHEMA ximilar")
    with pytest.raises(MigrationError, match="owner of Staging runs"):
        migrate(empty.url)


def test_an_upgrade_of_procrastinate_is_applied_once(
    empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty.url)
    shipped = migrations._queue_migrations()
    new = tmp_path / "99.00.00_01_pre_add_column.sql"
    new.write_text("ALTER TABLE procrastinate_jobs ADD COLUMN added_by_test text;")
    monkeypatch.setattr(migrations, "_queue_migrations", lambda: [*shipped, new])
    assert migrate(empty.url) == [f"procrastinate {new.name}"]
    assert migrate(empty.url) == []


def test_a_step_that_fails_leaves_nothing_behind(
    empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty.url)
    shipped, before = migrations._queue_migrations(), dump(empty)
    new = tmp_path / "99.00.00_01_pre_half.sql"
    new.write_text("CREATE TABLE half (id int); SELECT 1 / 0;")
    monkeypatch.setattr(migrations, "_queue_migrations", lambda: [*shipped, new])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty.url)
    assert dump(empty) == before
    new.write_text("CREATE TABLE whole (id int);")
    assert migrate(empty.url) == [f"procrastinate {new.name}"]


def test_a_schema_that_procrastinate_has_made_itself_is_taken_over(empty: Database) -> None:
    """`procrastinate schema --apply` is in its documentation; whoever ran it first can still migrate."""
    with connect(empty.url) as connection:
        connection.execute(procrastinate.schema.SchemaManager.get_schema().encode())
    assert migrate(empty.url) == OURS
    assert migrate(empty.url) == []
    assert BASELINE in recorded(empty)


def test_a_schema_of_another_procrastinate_is_left_alone(empty: Database) -> None:
    with connect(empty.url) as connection:
        connection.execute("CREATE TABLE procrastinate_jobs (id bigserial PRIMARY KEY, old text)")
    with pytest.raises(MigrationError, match="another version"):
        migrate(empty.url)


def test_a_worker_that_is_newer_than_the_schema_takes_no_job(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    catalogue.queue(catalogue.add(1).id)
    catalogue.owner.execute("DELETE FROM schema_version WHERE name = %s", [OURS[-1]])
    with pytest.raises(SchemaError, match=f"earlier release, without {OURS[-1]}: run .*migrate"):
        worker.until(lambda: upstream.requests)
    assert catalogue.statuses() == ["todo"]


def test_every_tick_of_the_past_is_recorded(database: Database) -> None:
    with connect(database.url) as connection:
        ticks: dict[str, int] = dict(
            connection.execute(
                "SELECT task_name, defer_timestamp FROM procrastinate_periodic_defers"
            ).fetchall()
        )
    assert ticks.keys() == CRON.keys()
    now = time.time()
    for task, cron in CRON.items():
        if cron != "* * * * *":  # each minute: the template may be older than that
            assert ticks[task] == int(croniter(cron, now).get_prev(float))


def test_nothing_fires_by_surprise_on_a_fresh_schema(
    database: Database, worker: Worker, upstream: Upstream
) -> None:
    worker.catalogue.add()
    jobs = (
        "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'rescue_stalled' AND status = 'succeeded'"
    )
    worker.catalogue.owner.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('control', 'rescue_stalled')"
    )
    worker.until(lambda: worker.catalogue.value(jobs) > 0)
    assert upstream.requests == []
    assert worker.catalogue.runs() == []


def test_a_tick_that_was_missed_is_made_up_for_once(worker: Worker, upstream: Upstream) -> None:
    catalogue = worker.catalogue
    product = catalogue.add()
    catalogue.owner.execute(
        "UPDATE procrastinate_periodic_defers SET defer_timestamp = defer_timestamp - 7 * 86400 "
        "WHERE task_name = 'ximilar_sync'"
    )
    for _ in range(2):
        worker.until(lambda: catalogue.state(product.id) == "synced")
    assert len(catalogue.runs()) == 1
    assert len(upstream.requests) == 1
