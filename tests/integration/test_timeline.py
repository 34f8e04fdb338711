"""What the role may ask a server about its timeline, and what is done with the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import pytest

from procrastinate_app import connection, timeline
from procrastinate_app.connection import Connection, SyncConnection
from procrastinate_app.database import open_database
from procrastinate_app.timeline import Place, Timelines
from tests.fix_postgres import Database
from tests.fix_proxy import FaultProxy


@pytest.fixture(autouse=True)
def timelines(monkeypatch: pytest.MonkeyPatch) -> Timelines:
    """What this process has seen: nothing yet."""
    monkeypatch.setattr(connection, "_surveyed", {})
    monkeypatch.setattr(timeline, "SEEN", Timelines())
    return timeline.SEEN


@pytest.fixture
def twice(database: Database) -> str:
    """A URL that names the server twice."""
    return naming(database.url, database.url)


def naming(url: str, *others: str) -> str:
    """`url` with the hosts of the others as well."""
    parts = urlsplit(url)
    hosts = [urlsplit(other).netloc.rpartition("@")[2] for other in others]
    return parts._replace(netloc=",".join([parts.netloc, *hosts])).geturl()


def place(conn: psycopg.Connection) -> Place:
    found = timeline.ask(conn)
    assert found is not None
    return found


def test_the_role_may_ask(conn: psycopg.Connection) -> None:
    assert place(conn).timeline == 1
    assert conn.execute("SELECT system_identifier FROM pg_control_system()").fetchone() == (
        place(conn).system,
    )


def test_a_connection_is_left_as_it_was_asked_for(twice: str) -> None:
    async def run() -> None:
        async with await Connection.connect(twice) as plain:
            assert plain.place is not None
            assert (plain.autocommit, plain.pgconn.transaction_status) == (False, 0)
            assert plain.patience == Connection.patience

    asyncio.run(run())
    for autocommit in (False, True):
        with SyncConnection.connect(twice, autocommit=autocommit) as plain:
            assert plain.place is not None
            assert (plain.autocommit, plain.pgconn.transaction_status) == (autocommit, 0)


def test_one_host_is_not_asked(database: Database) -> None:
    with SyncConnection.connect(database.url) as plain:
        assert plain.place is None
        assert connection._surveyed == {}


def test_a_pool_gives_up_the_connections_that_were_overtaken(
    twice: str, conn: psycopg.Connection, timelines: Timelines
) -> None:
    async def run() -> None:
        async with open_database(twice, max_size=1) as sessions:
            assert await sessions.one("throttle_state") is not None
            here = place(conn)
            timelines.note(Place(here.system, here.timeline + 1))
            with pytest.raises(psycopg.OperationalError):
                async with sessions.pool.connection(timeout=1):
                    pass
            assert sessions.pool.get_stats()["connections_lost"] == 1

    asyncio.run(run())


def test_who_may_not_ask_is_let_through_and_it_is_said(
    twice: str, owner: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    with SyncConnection.connect(twice) as unknown:
        assert unknown.place is None
        assert unknown.execute("SELECT 1").fetchone() == (1,)
    assert "timeline_unknown" in capsys.readouterr().out


@pytest.mark.parametrize("silent_first", [False, True])
@pytest.mark.parametrize("silence", [FaultProxy.black_hole, lambda proxy: proxy.hold_at(b"pg_walfile_name")])
def test_a_silent_host_holds_nobody_up_for_long(
    database: Database,
    start_proxy: Callable[[str], FaultProxy],
    silence: Callable[[FaultProxy], None],
    *,
    silent_first: bool,
) -> None:
    proxy = start_proxy(database.url)
    silence(proxy)
    urls = [database.url, proxy.address(database.url)]
    begun = time.monotonic()
    with SyncConnection.connect(
        naming(*(reversed(urls) if silent_first else urls)), connect_timeout=2
    ) as found:
        assert found.info.port == urlsplit(database.url).port
    assert time.monotonic() - begun < 8
