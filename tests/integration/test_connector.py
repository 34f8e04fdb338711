"""LISTEN that comes and goes, and notifications that are none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import pytest

from procrastinate_app import app as app_module
from procrastinate_app import connector, deadlines
from procrastinate_app.connection import Connection
from procrastinate_app.database import open_database
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_proxy import FaultProxy
from tests.fix_worker import Worker, eventually

LISTENING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND query LIKE 'LISTEN%%' AND state = 'idle'
"""


CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE usename = 'ximilar' AND datname = current_database()
"""


@pytest.fixture
def never_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hears of jobs by LISTEN or not at all."""
    monkeypatch.setattr(app_module, "POLL_SECONDS", 600.0)


def test_postgres_itself_is_told_from_a_pooler(database: Database, pooled: str) -> None:
    async def ask() -> tuple[bool, bool]:
        return (
            await connector.reaches_postgres_itself(database.url),
            await connector.reaches_postgres_itself(pooled),
        )

    assert asyncio.run(ask()) == (True, False)


@pytest.mark.usefixtures("never_polling")
def test_a_worker_hears_of_jobs(catalogue: Catalogue, worker: Worker) -> None:
    asyncio.run(hears(worker, []))


@pytest.mark.parametrize(
    "payload", ["garbage", "", "[]", "1", "null", '"x"', "{}", '{"type": 7}', "[[[[", "{" * 900]
)
@pytest.mark.usefixtures("never_polling")
def test_garbage_does_not_deafen_a_worker(catalogue: Catalogue, worker: Worker, payload: str) -> None:
    asyncio.run(hears(worker, [payload]))


async def hears(worker: Worker, payloads: list[str]) -> None:
    """Run a worker, send it these notifications, and see that it still takes up a job."""
    catalogue = worker.catalogue
    async with worker.working() as task:
        await eventually(lambda: catalogue.all(LISTENING), unless=task)
        for payload in payloads:
            for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#products"):
                catalogue.owner.execute("SELECT pg_notify(%s, %s)", [channel, payload])
        product = catalogue.add()
        catalogue.queue(product.id)
        await eventually(lambda: catalogue.state(product.id) == "synced", unless=task)


@pytest.mark.usefixtures("never_polling")
def test_a_listener_that_is_cut_off_comes_back(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "RECONNECT_SECONDS", 0.05)

    async def run() -> None:
        async with worker.working() as task:
            await eventually(lambda: catalogue.all(LISTENING), unless=task)
            (before,) = catalogue.all(LISTENING)
            catalogue.owner.execute("SELECT pg_terminate_backend(%s)", [before["pid"]])
            await eventually(lambda: catalogue.all(LISTENING) not in ([], [before]), unless=task)
            product = catalogue.add()
            catalogue.queue(product.id)
            await eventually(lambda: catalogue.state(product.id) == "synced", unless=task)

    asyncio.run(run())


def test_behind_a_pooler_a_worker_polls_and_says_so(
    catalogue: Catalogue, pooled: str, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.url = pooled
    product = catalogue.add()
    catalogue.queue(product.id)
    worker.until(lambda: catalogue.state(product.id) == "synced")
    assert catalogue.all(LISTENING) == []
    assert capsys.readouterr().out.count('"polling"') == 1


@pytest.mark.usefixtures("never_polling")
def test_behind_a_pooler_it_listens_at_the_other_address(
    catalogue: Catalogue, database: Database, pooled: str, worker: Worker
) -> None:
    worker.url = pooled
    worker.variables["STAGING_DB_LISTEN_URL"] = database.url
    asyncio.run(hears(worker, []))


def test_a_worker_whose_every_connection_is_cut_goes_on(
    catalogue: Catalogue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "RECONNECT_SECONDS", 0.05)

    async def run() -> None:
        async with worker.working() as task:
            await eventually(lambda: catalogue.all(LISTENING), unless=task)
            begun = time.monotonic()
            catalogue.owner.execute(CUT)
            product = catalogue.add()
            catalogue.queue(product.id)
            await eventually(lambda: catalogue.state(product.id) == "synced", unless=task)
            assert time.monotonic() - begun < 15

    asyncio.run(run())


def test_a_worker_that_was_ended_begins_again_on_its_loop(catalogue: Catalogue, worker: Worker) -> None:
    """The supervisor does so; of several hosts a thread of the loop's asks which is the newest."""
    parts = urlsplit(worker.url)
    host = parts.netloc.rpartition("@")[2]
    worker.url = parts._replace(netloc=f"{parts.netloc},{host}").geturl()

    async def run() -> None:
        first, second = catalogue.add().id, catalogue.add().id
        catalogue.queue(first)
        await worker.work_until(lambda: catalogue.state(first) == "synced")
        catalogue.queue(second)
        await worker.work_until(lambda: catalogue.state(second) == "synced")

    asyncio.run(run())


def test_a_frozen_database_is_hung_up_on(
    catalogue: Catalogue, database: Database, start_proxy: Callable[[str], FaultProxy]
) -> None:
    """The line is in order and nothing comes: only a deadline of our own ends that."""
    proxy = start_proxy(database.url)

    async def run() -> float:
        async with open_database(proxy.address(database.url), max_size=1) as sessions:
            async with sessions.pool.connection() as connection:
                connection.patience = 0.5
                proxy.black_hole("down")
                begun = time.monotonic()
                with pytest.raises(psycopg.OperationalError):
                    await connection.execute("SELECT 1")
                elapsed = time.monotonic() - begun
            proxy.heal()
            assert await sessions.one("throttle_state") is not None
        return elapsed

    assert 0.5 <= asyncio.run(run()) < 3


def test_a_transaction_may_ask_for_patience(
    database: Database, start_proxy: Callable[[str], FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "STATEMENT", 0.3)
    monkeypatch.setattr(Connection, "patience", 0.3)
    proxy = start_proxy(database.url)

    async def run() -> None:
        async with open_database(proxy.address(database.url), max_size=1) as sessions:
            async with sessions.transaction() as tx:
                await tx.take_long()
                proxy.delay(0.5, "down")
                await tx.one("throttle_state")
            with pytest.raises(psycopg.OperationalError):
                await sessions.one("throttle_state")

    asyncio.run(run())
