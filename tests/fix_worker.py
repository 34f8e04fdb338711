"""Fixtures that run tasks: settings for a test's database, the services of a task, a whole worker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import psycopg
import pytest
import structlog

from procrastinate_app import services as services_module
from procrastinate_app import sync
from procrastinate_app.app import SyncApp
from procrastinate_app.database import open_database
from procrastinate_app.outcome import Ticket
from procrastinate_app.retry import PutBack
from procrastinate_app.services import Services
from procrastinate_app.settings import Settings
from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport
from tests import canaries
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_upstream import Upstream

T = TypeVar("T")

TOKEN = canaries.PLANTED["token"]
COLLECTION = "collection-of-the-tests"
LOOK_SECONDS = 0.02


def settings_for(url: str, **variables: str) -> Settings:
    """Settings for a fast test; `variables` are those of the environment."""
    environ = {
        "STAGING_DB_URL": url,
        "XIMILAR_API_TOKEN": TOKEN,
        "XIMILAR_COLLECTION_ID": COLLECTION,
        "XIMILAR_API_URL": "http://127.0.0.1:1",
        "XIMILAR_RATE_LIMIT": "1000",
        **variables,
    }
    return Settings.from_env(environ)


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, concurrency: int = 8) -> AsyncIterator[Services]:
    """What tasks get from a worker, over a pool of its own."""
    async with (
        open_database(settings.staging_db_url, max_size=6) as database,
        services_module.open_services(settings, database, uuid.uuid4(), concurrency=concurrency) as services,
    ):
        yield services


def with_services(settings: Settings, work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
    """Open the services, do the work, close them."""

    async def run() -> T:
        async with opened(settings) as services:
            return await work(services)

    return asyncio.run(run())


async def eventually(
    condition: Callable[[], object], *, seconds: float = 20.0, unless: asyncio.Task[Any] | None = None
) -> None:
    """Wait until the condition holds; fail after `seconds`, or at once if the task `unless` ends."""
    ends = time.monotonic() + seconds
    while not condition():
        if unless is not None and unless.done():
            await unless
            pytest.fail("the worker ended before the condition held")
        if time.monotonic() > ends:
            pytest.fail(f"not within {seconds:g} s")
        await asyncio.sleep(LOOK_SECONDS)


class Worker:
    """One product's task, or a whole worker, over one database and one upstream."""

    def __init__(self, url: str, upstream: Upstream, catalogue: Catalogue) -> None:
        self.url = url
        self.upstream = upstream
        self.catalogue = catalogue
        self.variables = {"XIMILAR_API_URL": upstream.url}

    @property
    def settings(self) -> Settings:
        """The settings with this test's `variables`."""
        return settings_for(self.url, **self.variables)

    def sync(self, ticket: Ticket, *, sent_before: float | None = None) -> str:
        """Do one product's job; the outcome, or why it was put back."""

        async def work(services: Services) -> str:
            try:
                return await sync.sync_product(services, ticket, sent_before=sent_before)
            except PutBack as put_back:
                return f"put back: {put_back}"

        return with_services(self.settings, work)

    def sync_product(
        self, product: int, run_id: int | None = None, *, sent_before: float | None = None
    ) -> str:
        """Do a new job of the product and end it as procrastinate would, unless it was put back."""
        ticket = self.catalogue.hold(product, run_id)
        outcome = self.sync(ticket, sent_before=sent_before)
        end = "procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)"
        if not outcome.startswith("put back"):
            end = "procrastinate_finish_job_v1(%s, 'succeeded', false)"
        self.catalogue.owner.execute(f"SELECT {end}", [ticket.job_id])
        return outcome

    def until(self, condition: Callable[[], object], *, seconds: float = 20.0) -> None:
        """Run a whole worker until the condition holds."""
        asyncio.run(self.work_until(condition, seconds=seconds))

    async def work_until(self, condition: Callable[[], object], *, seconds: float = 20.0) -> None:
        """As `until`, within a loop that runs."""
        async with self.working() as worker:
            await eventually(condition, seconds=seconds, unless=worker)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[None]]:
        """A whole worker for as long as the block; it is asked to stop, and finishes what it holds."""
        app = SyncApp(self.settings)
        async with app.open_async():
            task = asyncio.create_task(app.run_worker_async(install_signal_handlers=False))
            try:
                yield task
            finally:
                if not task.cancelling():
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take back what a program did to the logging of this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(params=["direct", "pooled"])
def staging_url(request: pytest.FixtureRequest, database: Database) -> str:
    """The test's database, once straight and once through PgBouncer in transaction mode."""
    return database.url if request.param == "direct" else str(request.getfixturevalue("pooled"))


@pytest.fixture
def worker(database: Database, upstream: Upstream, catalogue: Catalogue) -> Worker:
    """A worker straight at Postgres."""
    return Worker(database.url, upstream, catalogue)


@pytest.fixture
def worker_anywhere(staging_url: str, upstream: Upstream, catalogue: Catalogue) -> Worker:
    """A worker straight at Postgres, and one through PgBouncer."""
    return Worker(staging_url, upstream, catalogue)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the calls of this test's workers end after so many seconds."""

    def shorten(seconds: float) -> None:
        def transport(api_url: str, token: str, *, connections: int) -> AsyncioTransport:
            return AsyncioTransport(
                api_url, token, connections=connections, deadline=seconds, connect=seconds
            )

        monkeypatch.setattr(services_module, "AsyncioTransport", transport)

    return shorten


def connect(url: str) -> psycopg.Connection:
    """A connection that works through PgBouncer."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)
