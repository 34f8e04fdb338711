"""Connections to Staging that neither wait for ever nor end at an old primary, on an event loop and without one.

Of a connection string with several hosts the first is taken that suits libpq and is on the newest timeline that any
of them is on, or was while this process lived. Behind a pooler that holds for the moment of connecting only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import threading
import time
from typing import Any, Self, TypeVar

import psycopg
import psycopg.rows
from psycopg.abc import ConnDict, PQGen
from psycopg.conninfo import conninfo_attempts, conninfo_attempts_async, conninfo_to_dict, make_conninfo

from . import deadlines, timeline

T = TypeVar("T")

ANSWER_SECONDS = 2  # for a host to say where it is; the shortest that libpq knows
FRESH_SECONDS = 10.0  # what all hosts have said holds so long

_surveying = threading.Lock()
_surveyed: dict[str, float] = {}


class Connection(psycopg.AsyncConnection[psycopg.rows.TupleRow]):
    """A connection that hangs up on a server which says nothing for `patience` seconds.

    No timeout of TCP sees a Postgres that has frozen, or one that a pooler waits for: the line itself is in order.
    """

    patience = deadlines.STATEMENT
    place: timeline.Place | None = None

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect, to the first host that is fit. Raises OperationalError."""
        if not timeline.several_hosts(conninfo):
            return await super().connect(conninfo, **options)
        await asyncio.to_thread(survey, conninfo)
        refusals: list[str] = []
        for host in await conninfo_attempts_async(conninfo_to_dict(conninfo)):
            try:
                return await cls._connect_to(host, options)
            except psycopg.OperationalError as refusal:
                refusals.append(str(refusal))
        raise psycopg.OperationalError("\n".join(refusals))

    @classmethod
    async def _connect_to(cls, host: ConnDict, options: dict[str, Any]) -> Self:
        async with contextlib.AsyncExitStack() as unfit:
            connection = await super().connect(make_conninfo("", **host), **{**options, "autocommit": True})
            unfit.push_async_callback(connection.close)
            await connection._find_place()
            await connection.set_autocommit(options.get("autocommit", False))
            unfit.pop_all()
            return connection

    async def _find_place(self) -> None:
        self.patience = ANSWER_SECONDS
        self.place = await timeline.ask_async(self)
        del self.patience
        timeline.SEEN.note(self.place)
        demand_newest(self)

    async def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        """Wait for the server. Raises OperationalError, and the connection is lost, when it stays silent."""
        hanging_up = asyncio.get_running_loop().call_later(self.patience, hang_up, self)
        try:
            return await super().wait(gen, *arguments, **options)
        finally:
            hanging_up.cancel()


class SyncConnection(psycopg.Connection[psycopg.rows.TupleRow]):
    """A connection for who has no event loop; its statements wait as long as the server lets them."""

    place: timeline.Place | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect, to the first host that is fit. Raises OperationalError."""
        if not timeline.several_hosts(conninfo):
            return super().connect(conninfo, **options)
        survey(conninfo)
        refusals: list[str] = []
        for host in conninfo_attempts(conninfo_to_dict(conninfo)):
            try:
                return cls._connect_to(host, options)
            except psycopg.OperationalError as refusal:
                refusals.append(str(refusal))
        raise psycopg.OperationalError("\n".join(refusals))

    @classmethod
    def _connect_to(cls, host: ConnDict, options: dict[str, Any]) -> Self:
        with contextlib.ExitStack() as unfit:
            connection = super().connect(make_conninfo("", **host), **{**options, "autocommit": True})
            unfit.callback(connection.close)
            connection.place = _ask_in_time(connection)
            demand_newest(connection)
            connection.autocommit = options.get("autocommit", False)
            unfit.pop_all()
            return connection


def survey(conninfo: str) -> None:
    """Ask every host that answers which timeline it is on, unless that was done a moment ago.

    A process that has just started has seen nothing, and one that missed a fail-over has not seen enough.
    """
    with _surveying:
        if time.monotonic() - _surveyed.get(conninfo, -math.inf) < FRESH_SECONDS:
            return
        for host in conninfo_attempts(conninfo_to_dict(conninfo)):
            one = make_conninfo("", **{**host, "connect_timeout": ANSWER_SECONDS})
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(one, autocommit=True, prepare_threshold=None) as connection,
            ):
                _ask_in_time(connection)
        _surveyed[conninfo] = time.monotonic()


def demand_newest(connection: Connection | SyncConnection) -> None:
    """Raise OperationalError, and the connection is lost, if a newer timeline was seen before or since it was made."""
    if connection.place is None:
        return
    try:
        timeline.SEEN.demand_newest(connection.place, f"{connection.info.host}:{connection.info.port}")
    except psycopg.OperationalError:
        connection.pgconn.finish()  # a pool would keep one that is in order, and lend it again
        raise


def hang_up(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """End the line of a connection that somebody waits for."""
    # Not closed: libpq reads the end of the stream, and says so in its own way.
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line, contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _ask_in_time(connection: psycopg.Connection[Any]) -> timeline.Place | None:
    hanging_up = threading.Timer(ANSWER_SECONDS, hang_up, [connection])
    hanging_up.start()
    try:
        place = timeline.ask(connection)
    finally:
        hanging_up.cancel()
        hanging_up.join()
    timeline.SEEN.note(place)
    return place
