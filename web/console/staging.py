"""The console's own small pool over Staging: pages read in read-only transactions, actions write in others.

Nothing lives in a session, so PgBouncer in transaction mode is fine. Every transaction sets its own statement
timeout: a page that asks too much gives its connection back and says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import psycopg.rows
import psycopg_pool

from procrastinate_app.connection import SyncConnection as Connection
from procrastinate_app.connection import demand_newest
from procrastinate_app.database import conninfo
from procrastinate_app.queries import sql

Row = dict[str, Any]
Pool = psycopg_pool.ConnectionPool[Connection]

POOL_TIMEOUT_SECONDS = 3.0
MAX_ID = 2**63 - 1

# What a page survives: the statement took too long, or waited too long for a lock.
TooSlow = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)


class Session:
    """Named statements in one transaction, each bounded in time."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._limit(seconds)

    def all(self, name: str, **parameters: Any) -> list[Row]:
        """Return all rows."""
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(sql(name), parameters).fetchall()

    def one(self, name: str, **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(sql(name), parameters).fetchone()

    def value(self, name: str, **parameters: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self.one(name, **parameters)
        return None if row is None else next(iter(row.values()))

    def run(self, name: str, **parameters: Any) -> int:
        """Return the number of rows it touched."""
        return self._connection.execute(sql(name), parameters).rowcount

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """A part of a page: what it raises leaves the rest of the transaction usable."""
        with self._connection.transaction():
            yield

    def _limit(self, seconds: float) -> None:
        self.run("limit_statement", milliseconds=max(1, int(seconds * 1000)))


class Staging:
    """The pools. `seconds` bounds a statement of a page."""

    def __init__(self, url: str, *, size: int, seconds: float) -> None:
        self.seconds = seconds
        # Two, so that no page can write whatever it says, and an outage's readers leave room for its repair.
        self._readers = _pool(url, max(1, size - 1), _make_read_only)
        self._writers = _pool(url, max(1, size // 2), _leave)

    @contextlib.contextmanager
    def reading(self, *, seconds: float | None = None) -> Iterator[Session]:
        """A read-only transaction. Raises psycopg.OperationalError without a database."""
        with self._readers.connection() as connection:
            yield Session(connection, self.seconds if seconds is None else seconds)

    @contextlib.contextmanager
    def writing(self, *, seconds: float | None = None) -> Iterator[Session]:
        """A transaction, committed at the end of the block, rolled back if it raises."""
        with self._writers.connection() as connection:
            yield Session(connection, self.seconds if seconds is None else seconds)

    def close(self) -> None:
        """Close all connections."""
        self._readers.close()
        self._writers.close()


def _pool(url: str, size: int, configure: Callable[[Connection], None]) -> Pool:
    return psycopg_pool.ConnectionPool(
        conninfo(url),
        connection_class=Connection,
        min_size=0,
        max_size=size,
        timeout=POOL_TIMEOUT_SECONDS,
        kwargs={"prepare_threshold": None, "application_name": "ximilar-console"},
        configure=configure,
        check=_check,
        open=True,
    )


def _check(connection: Connection) -> None:
    demand_newest(connection)
    psycopg_pool.ConnectionPool.check_connection(connection)


def _make_read_only(connection: Connection) -> None:
    # The driver then begins each transaction with BEGIN READ ONLY: no state in the session.
    connection.read_only = True


def _leave(_connection: Connection) -> None:
    pass
