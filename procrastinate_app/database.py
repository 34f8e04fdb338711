"""Runs named statements over a pool of connections to Staging.

Everything here works through PgBouncer in transaction mode: autocommit, no prepared statements, nothing that
lives in a session. A connection is held for a statement or a short transaction, never across a call to Ximilar.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import psycopg
import psycopg.conninfo
import psycopg.rows
import psycopg_pool

from . import deadlines
from .connection import Connection, demand_newest
from .environment import SettingsError
from .queries import sql

Row = dict[str, Any]

# A database that has vanished without a word must be noticed: without these a call hangs until TCP gives up.
DEFAULTS = {
    "application_name": "ximilar-sync",
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
POOL_TIMEOUT_SECONDS = 30.0
# The pool doubles its wait between two attempts: after an outage it would stay away for as long again.
RECONNECT_SECONDS = 5.0


# Of `Connection`s; procrastinate, which holds one too, declares another type.
Pool = psycopg_pool.AsyncConnectionPool[Any]


class Session:
    """Named statements on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self, name: str, **parameters: Any) -> list[Row]:
        """Return all rows."""
        async with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            await cursor.execute(sql(name), parameters)
            return await cursor.fetchall()

    async def one(self, name: str, **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        async with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            await cursor.execute(sql(name), parameters)
            return await cursor.fetchone()

    async def value(self, name: str, **parameters: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = await self.one(name, **parameters)
        return None if row is None else next(iter(row.values()))

    async def run(self, name: str, **parameters: Any) -> int:
        """Return the number of rows it touched."""
        return (await self._connection.execute(sql(name), parameters)).rowcount

    async def take_long(self) -> None:
        """Let the statements of this transaction take as long as a control task may."""
        await self.run("no_statement_timeout")
        self._connection.patience = deadlines.RESCUE_CONTROL


class Database:
    """The pool, lent out a statement or a transaction at a time."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection in autocommit, for as long as the block."""
        async with self.pool.connection() as connection:
            yield Session(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """A connection in a transaction, committed at the end of the block, rolled back if it raises."""
        async with self.pool.connection() as connection:
            try:
                async with connection.transaction():
                    yield Session(connection)
            finally:
                connection.patience = deadlines.STATEMENT

    async def all(self, name: str, **parameters: Any) -> list[Row]:
        async with self.session() as session:
            return await session.all(name, **parameters)

    async def one(self, name: str, **parameters: Any) -> Row | None:
        async with self.session() as session:
            return await session.one(name, **parameters)

    async def value(self, name: str, **parameters: Any) -> Any:
        async with self.session() as session:
            return await session.value(name, **parameters)

    async def run(self, name: str, **parameters: Any) -> int:
        async with self.session() as session:
            return await session.run(name, **parameters)


def conninfo(url: str, *, variable: str = "STAGING_DB_URL") -> str:
    """Return the URL as a connection string with deadlines. Raises SettingsError that does not quote it."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        # psycopg's own message quotes the part it stumbled over, which may be the password.
        raise SettingsError(
            f"{variable} cannot be read as a Postgres URL (is the password percent-encoded?)"
        ) from None
    return psycopg.conninfo.make_conninfo(
        url, **{name: value for name, value in DEFAULTS.items() if name not in given}
    )


def pool_options(url: str, *, max_size: int) -> dict[str, Any]:
    """Return the arguments of a psycopg pool for Staging."""
    return {
        "conninfo": conninfo(url),
        "min_size": 1,
        "max_size": max_size,
        "timeout": POOL_TIMEOUT_SECONDS,
        "reconnect_timeout": RECONNECT_SECONDS,
        # PgBouncer before 1.21 hands a connection's prepared statements to the next client.
        "kwargs": {"prepare_threshold": None},
        "configure": _autocommit,
    }


def make_pool(**options: Any) -> Pool:
    """Return a pool of connections that do not wait for ever.

    procrastinate would name a check itself, one that makes a round trip before each statement.
    """
    return psycopg_pool.AsyncConnectionPool(
        **{**options, "check": check_connection, "connection_class": Connection}
    )


@contextlib.asynccontextmanager
async def open_database(
    url: str, *, max_size: int = 4, patience: float = POOL_TIMEOUT_SECONDS
) -> AsyncIterator[Database]:
    """A database with a pool of its own, for the command line; waits `patience` seconds for it to answer."""
    pool = make_pool(**pool_options(url, max_size=max_size), open=False)
    async with pool:
        await pool.wait(timeout=patience)
        yield Database(pool)


async def check_connection(connection: Connection) -> None:
    """A pool's check of a connection it is about to lend: returns if it is usable, else raises.

    Nobody speaks to an idle connection but to end it (a server that stops, a pooler, a kernel that resets it): only
    one that has something to be read is asked by a statement. Asking each time would be a round trip a statement.
    """
    demand_newest(connection)
    if select.select([connection.fileno()], [], [], 0)[0]:
        await psycopg_pool.AsyncConnectionPool.check_connection(connection)


def _autocommit(connection: Connection) -> Awaitable[None]:
    # Not a coroutine function on purpose: procrastinate hands it to a synchronous pool as well.
    return connection.set_autocommit(True)
