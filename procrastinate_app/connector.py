"""procrastinate's connector over Staging: pooled statements through whatever STAGING_DB_URL names, LISTEN over a
connection of its own that may come and go without ending the worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import procrastinate
import psycopg
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException

from . import logs
from .database import Connection, conninfo, pool_options

RECONNECT_SECONDS = 5.0

log = logs.get(__name__)


class Connector(procrastinate.PsycopgConnector):
    """A pool for STAGING_DB_URL; `listen_url` names the connection for LISTEN (empty: the same URL)."""

    def __init__(self, url: str, listen_url: str = "", *, max_size: int = 8) -> None:
        super().__init__(**pool_options(url, max_size=max_size))
        self._listen_conninfo = conninfo(listen_url or url, variable="STAGING_DB_LISTEN_URL")

    @contextlib.asynccontextmanager
    async def _get_standalone_connection(self) -> AsyncIterator[Connection]:
        async with await psycopg.AsyncConnection.connect(
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


async def keeps_its_session(url: str) -> bool:
    """Whether a connection to `url` stays on one backend, which LISTEN needs.

    A transaction pool cannot be told by trying LISTEN: that would leak onto somebody else's connection. It shows
    when another client holds a transaction: our next statement runs on another backend.
    """
    async with contextlib.AsyncExitStack() as stack:
        ours, other = [
            await stack.enter_async_context(
                await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True, prepare_threshold=None)
            )
            for _ in range(2)
        ]
        first = await _backend(ours)
        async with other.transaction():
            # The pool lends out the backend used last; if that was ours, it is now taken.
            held = await _backend(other)
            second = await _backend(ours)
        return bool(first == second and held != first)


async def _backend(connection: Connection) -> Any:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return row[0] if row else None
