"""Runs a worker until it is told to stop, whatever the database does meanwhile.

procrastinate's worker ends, with exit code 0, when the database blips. This one starts it again with backoff and
gives up, with a code that is not 0, when it has been without a database for ten minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import psycopg
import uvloop
from procrastinate.exceptions import ConnectorException

from . import deadlines, logs
from .app import SyncApp
from .settings import Settings

GIVE_UP_SECONDS = 600.0
BACKOFF_MAX_SECONDS = 15.0
EX_OK = 0
EX_UNAVAILABLE = 69  # sysexits.h: a service is unavailable
INTERRUPTED = 130

DATABASE_FAULTS = (psycopg.Error, ConnectorException, OSError)

log = logs.get(__name__)


def supervise(settings: Settings) -> int:
    """Run the worker in the foreground; returns the exit code. Raises SettingsError, SchemaError at the start."""
    return uvloop.run(_Supervisor(settings).run())


class _Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._failing_since: float | None = None

    async def run(self) -> int:
        self._install_signal_handlers()
        delay = 0.5
        while not self._stopping.is_set():
            worked_seconds = await self._work()
            if self._stopping.is_set():
                break
            if worked_seconds > BACKOFF_MAX_SECONDS:
                self._failing_since, delay = None, 0.5
            if self._hopeless():
                log.error("worker_gave_up", seconds=GIVE_UP_SECONDS)
                return EX_UNAVAILABLE
            await self._pause(delay)
            delay = min(BACKOFF_MAX_SECONDS, delay * 2)
        return EX_OK

    async def _work(self) -> float:
        """One life of the worker: until it is stopped or falls. Returns the seconds since it had a database."""
        app = SyncApp(self._settings)
        begun: float | None = None
        try:
            async with app.open_async():
                begun = time.monotonic()
                await self._until_stopped(app)
        except DATABASE_FAULTS as error:
            log.warning("worker_fell", error=type(error).__name__, reason=str(error).splitlines()[:1])
        else:
            if not self._stopping.is_set():
                log.warning(
                    "worker_fell", error="ended", reason="procrastinate ended it; the database blinked"
                )
        return 0.0 if begun is None else time.monotonic() - begun

    async def _until_stopped(self, app: SyncApp) -> None:
        working = asyncio.create_task(app.run_worker_async(install_signal_handlers=False))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            # For procrastinate a cancelled worker is one that is asked to stop: it finishes what it holds.
            working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    def _hopeless(self) -> bool:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        return now - self._failing_since > GIVE_UP_SECONDS

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _install_signal_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set() and number == signal.SIGINT:
            os._exit(INTERRUPTED)  # somebody pressed Ctrl-C twice and means it
        log.info("worker_stopping", signal=signal.Signals(number).name)
        if not self._stopping.is_set():
            asyncio.get_running_loop().call_later(deadlines.ABANDON, self._abandon)
        self._stopping.set()

    def _abandon(self) -> None:
        # Without a database nothing can be put back: the next worker finds these jobs to be nobody's.
        log.error("worker_abandoned_its_jobs", seconds=deadlines.ABANDON)
        os._exit(EX_UNAVAILABLE)
