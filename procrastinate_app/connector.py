"""procrastinate's connector over Staging: pooled statements through whatever STAGING_DB_URL names, LISTEN over a
connection of its own that may come and go without ending the worker."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Iterable
from typing import Any

import procrastinate
import psycopg
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException

from . import logs
from .connection import Connection, SyncConnection
from .database import conninfo, make_pool, pool_options

RECONNECT_SECONDS = 5.0

log = logs.get(__name__)


class Listener(Connection):
    """A connection that listens: it is silent by nature, and not hung up on."""

    patience = math.inf


class Connector(procrastinate.PsycopgConnector):
    """A pool for STAGING_DB_URL; `listen_url` names the connection for LISTEN (empty: the same URL)."""

    def __init__(self, url: str, listen_url: str = "", *, max_size: int = 8) -> None:
        # The class is that of the synchronous pool, which procrastinate makes without asking `make_pool`.
        super().__init__(
            pool_factory=make_pool, connection_class=SyncConnection, **pool_options(url, max_size=max_size)
        )
        self._listen_conninfo = conninfo(listen_url or url, variable="STAGING_DB_LISTEN_URL")

    @contextlib.asynccontextmanager
    async def _get_standalone_connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with await Listener.connect(
            self._listen_conninfo, autocommit=True, prepare_threshold=None
        ) as connection:
            yield connection

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen for ever. A lost connection costs notifications until it is back (jobs are polled as well)."""
        listed = list(channels)
        while True:
            try:
                await super().listen_notify(_unless_garbage(on_notification), listed)
            except (ConnectorException, psycopg.Error, OSError) as error:
                log.warning("listen_lost", error=type(error).__name__, retry_seconds=RECONNECT_SECONDS)
            await asyncio.sleep(RECONNECT_SECONDS)


def _unless_garbage(on_notification: Notify) -> Notify:
    async def notify(*, channel: str, payload: str) -> None:
        # Postgres lets every role NOTIFY on every channel.
        try:
            await on_notification(channel=channel, payload=payload)
        except (ValueError, KeyError, TypeError):
            log.warning("notification_ignored", channel=channel)

    return notify


async def reaches_postgres_itself(url: str) -> bool:
    """Whether a connection to `url` ends at Postgres and not at a pooler, which LISTEN may not survive.

    A pooler makes up the backend's number that the protocol hands to a client for cancelling; Postgres hands out
    the one that pg_backend_pid() tells. LISTEN itself must not be tried: through a transaction pool it would
    leak onto somebody else's connection.
    """
    async with await Connection.connect(conninfo(url), autocommit=True, prepare_threshold=None) as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        return row is not None and row[0] == connection.info.backend_pid
