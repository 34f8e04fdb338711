"""The exporter's process: serves /metrics until it is told to stop, with or without a database."""

from __future__ import annotations

import functools
import signal
import threading

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, start_http_server

from .. import logs
from ..settings import Settings
from . import credit
from .collector import SyncCollector
from .groups import GROUPS, ask
from .watch import Watch

FIRST_ANSWER_SECONDS = 5.0

log = logs.get(__name__)


def export(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code. Raises OSError if the port is taken."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    watches = _watches(settings)
    for watch in watches:
        watch.start()
    watches[0].wait(FIRST_ANSWER_SECONDS)
    server, thread = start_http_server(
        settings.metrics_port, settings.metrics_host, _registry(watches, settings.collection_capacity)
    )
    host, port = server.server_address[:2]
    log.info("exporter_started", url=f"http://{host!s}:{port}/metrics")
    stopping.wait()
    log.info("exporter_stopped")
    for watch in watches:
        watch.stop()
    server.shutdown()
    server.server_close()
    thread.join()
    return 0


def _watches(settings: Settings) -> list[Watch]:
    of_database = [
        Watch(
            group.name, functools.partial(ask, settings, group), group.every * settings.metrics_cache_seconds
        )
        for group in GROUPS
    ]
    of_account = credit.watch(settings)
    return of_database if of_account is None else [*of_database, of_account]


def _registry(watches: list[Watch], capacity: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(SyncCollector(watches, capacity=capacity))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
