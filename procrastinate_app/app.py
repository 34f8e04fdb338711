"""Composes the procrastinate application: connector, tasks, schedule, and what a worker of it needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import procrastinate

from . import deadlines, logs, migrations, presence, rescue, tracing
from .connector import Connector, reaches_postgres_itself
from .database import Database
from .environment import SettingsError
from .jobs import PatientJobManager
from .schedule import CATCH_UP_SECONDS, crons
from .services import CONTEXT_KEY, Services, open_services
from .settings import WORKER, Settings
from .tasks import register

POLL_SECONDS = 0.5

log = logs.get(__name__)


class SchemaError(RuntimeError):
    """The database is not as the worker needs it; the message says what to do."""


class SyncApp(procrastinate.App):
    """The application. procrastinate's own `worker` command and ours both end up in `run_worker_async`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        connector = Connector(
            settings.staging_db_url, settings.staging_db_listen_url, max_size=settings.concurrency + 4
        )
        super().__init__(
            connector=connector,
            worker_defaults={
                "concurrency": settings.concurrency,
                "fetch_job_polling_interval": POLL_SECONDS,
                "shutdown_graceful_timeout": deadlines.GRACEFUL,
                # A worker frozen for a minute must not find its row pruned; `rescue` has its own judgement.
                "stalled_worker_timeout": 3600.0,
            },
            periodic_defaults={"max_delay": CATCH_UP_SECONDS},
        )
        self.job_manager: PatientJobManager = PatientJobManager(connector)
        self._staging = connector
        register(self, reconcile_cron=settings.reconcile_cron)

    @property
    def database(self) -> Database:
        """Our statements over procrastinate's own pool; the app is open."""
        return Database(self._staging.pool)

    async def run_worker_async(self, **options: Any) -> None:
        """Run a worker until it is stopped. Raises SettingsError, SchemaError before it takes a job."""
        demand_worker_settings(self.settings)
        logs.configure_once(self.settings.log_level, self.settings.log_format, secrets=self.settings.secrets)
        tracing.start("ximilar-worker")
        await self._demand_schema()
        given = {**self.worker_defaults, **options}
        listening = bool(given.get("listen_notify", True)) and await self._can_listen()
        await self._note_schedule()
        async with self._at_work(given["concurrency"], listening) as services:
            await rescue.rescue(services)
            context = {CONTEXT_KEY: services}
            await super().run_worker_async(
                **{**options, "listen_notify": listening, "additional_context": context}
            )

    @contextlib.asynccontextmanager
    async def _at_work(self, concurrency: int, listening: bool) -> AsyncIterator[Services]:
        async with (
            presence.registered(self.database, self.job_manager, concurrency, listening) as worker_id,
            open_services(self.settings, self.database, worker_id, concurrency=concurrency) as services,
        ):
            log.info("worker_started", worker=str(worker_id), pid=os.getpid(), listening=listening)
            try:
                yield services
            finally:
                log.info("worker_stopped", worker=str(worker_id), pid=os.getpid())

    async def _note_schedule(self) -> None:
        planned = crons(self.settings.reconcile_cron)
        await self.database.run("note_schedule", tasks=list(planned), crons=list(planned.values()))

    async def _demand_schema(self) -> None:
        found = await self.database.one("search_path_works")
        assert found is not None
        if not found["tables"]:
            raise SchemaError(
                "the schema `ximilar` is not there yet: run `python -m procrastinate_app migrate`"
            )
        if not found["jobs"]:
            raise SchemaError(
                "the role's search_path lacks the schema `ximilar`: run sql/grants.sql as the owner of Staging; "
                "if that was done, PgBouncer holds connections with the old path: RECONNECT on its console"
            )
        # A worker without its functions would send all the same, and keep no pause.
        applied = {row["name"] for row in await self.database.all("applied")}
        if lacking := migrations.lacking(applied):
            raise SchemaError(
                f"the schema `ximilar` is of an earlier release, without {', '.join(lacking)}: "
                "run `python -m procrastinate_app migrate`"
            )

    async def _can_listen(self) -> bool:
        if self.settings.staging_db_listen_url:
            return True
        if await reaches_postgres_itself(self.settings.staging_db_url):
            return True
        log.info("polling", reason="STAGING_DB_URL names a pooler and STAGING_DB_LISTEN_URL is not set")
        return False


def demand_worker_settings(settings: Settings) -> None:
    """Raise SettingsError naming what a worker needs and the settings lack."""
    missing = settings.missing(WORKER)
    if missing:
        raise SettingsError("\n".join(f"{name} is not set" for name in missing))
