"""PgBouncer in transaction mode in front of the tests' databases, as in front of Staging."""

from __future__ import annotations

import signal

import psycopg
import pytest

from tests.fix_pgbouncer import PgBouncer
from tests.fix_postgres import Database


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)


def backend(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_the_role_reaches_its_database(pooled: str, database: Database) -> None:
    with connect(pooled) as connection:
        query = "SELECT current_user, current_database(), current_setting('search_path')"
        assert connection.execute(query).fetchone() == ("ximilar", database.name, "ximilar, public")


def test_statements_of_one_client_run_on_several_servers(pooled: str) -> None:
    with connect(pooled) as first, connect(pooled) as second:
        before = backend(first)
        with second.transaction():
            held = backend(second)
            after = backend(first)
    assert before == held
    assert after != held


def test_options_in_the_url_are_refused(pooled: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        connect(f"{pooled}?options=-c%20search_path%3Dximilar")


def test_clients_beyond_the_pool_wait_for_their_turn(pooled: str) -> None:
    clients = [connect(pooled) for _ in range(20)]
    try:
        assert len({backend(client) for client in clients}) <= 7
    finally:
        for client in clients:
            client.close()


def test_it_comes_back_on_the_same_port_after_a_crash(pgbouncer: PgBouncer, pooled: str) -> None:
    connection = connect(pooled)
    pgbouncer.stop(signal.SIGKILL)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    pgbouncer.start()
    with connect(pooled) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_its_console_answers(pgbouncer: PgBouncer) -> None:
    with psycopg.connect(pgbouncer.admin_url, autocommit=True, prepare_threshold=None) as console:
        console.execute("RECONNECT")
        rows = console.execute("SHOW CONFIG").fetchall()
    assert ("pool_mode", "transaction") in {row[:2] for row in rows}
