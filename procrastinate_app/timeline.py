"""Tells a primary that was failed over and came back from the one that was promoted in its place.

Every promotion begins a timeline with a higher number, so of the servers of one system that take writes the lower
one is the old one. What a process has seen it knows until it ends; two standbys promoted to one number look alike.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from . import logs
from .queries import sql

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server that takes writes is: its system's identifier, which standbys share, and its timeline."""

    system: int
    timeline: int


class Timelines:
    """The newest timeline that was seen of each system; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[int, int] = {}
        self._told: set[tuple[str, Place]] = set()

    def note(self, place: Place | None) -> None:
        """Remember a place; None is that of a standby, which nobody can write to."""
        if place is not None:
            with self._lock:
                self._newest[place.system] = max(place.timeline, self._newest.get(place.system, 0))

    def demand_newest(self, place: Place | None, address: str) -> None:
        """Raise OperationalError if a newer timeline was seen; the log tells of each address once."""
        if place is None or place.timeline >= (newest := self._newest.get(place.system, 0)):
            return
        if (address, place) not in self._told:
            self._told.add((address, place))
            log.error("old_primary_refused", server=address, timeline=place.timeline, seen=newest)
        raise psycopg.OperationalError(
            f"{address} takes writes on timeline {place.timeline}, and timeline {newest} was seen: "
            "an old primary that came back is not used"
        )


# The process's own: a worker that falls and rises again has not forgotten.
SEEN = Timelines()


def several_hosts(conninfo: str) -> bool:
    """Whether a connection string names several hosts, of which libpq takes the first that suits."""
    given = conninfo_to_dict(conninfo)
    return any("," in str(given.get(name, "")) for name in ("host", "hostaddr"))


def ask(connection: psycopg.Connection[Any]) -> Place | None:
    """Ask a server in autocommit where it is. Raises OperationalError."""
    try:
        with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
            return _place(cursor.execute(sql("timeline")).fetchone())
    except _UNTOLD as error:
        _tell_of(type(error).__name__)
        return None


async def ask_async(connection: psycopg.AsyncConnection[Any]) -> Place | None:
    """`ask`, on a connection of an event loop."""
    try:
        async with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
            return _place(await (await cursor.execute(sql("timeline"))).fetchone())
    except _UNTOLD as error:
        _tell_of(type(error).__name__)
        return None


# Postgres lets everybody ask. Where that was taken away, or cannot be, nobody is kept off, and the log says so.
_UNTOLD = (psycopg.ProgrammingError, psycopg.NotSupportedError)


def _place(row: tuple[Any, ...] | None) -> Place | None:
    return None if row is None else Place(row[0], int(row[1], base=16))


@functools.cache  # once a process
def _tell_of(error: str) -> None:
    log.warning("timeline_unknown", error=error)
