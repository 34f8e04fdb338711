"""What the application opens when a process starts to serve and closes when it ends; a heartbeat between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from procrastinate_app import tracing
from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport

from .access_log import AccessLog
from .breaker import Breaker
from .cache import Cache
from .callers import Callers
from .cutter import Cutter
from .metrics import Metrics
from .probe import Probe
from .settings import GatewaySettings
from .upstream import Upstream

BEAT_SECONDS = 1.0


class Lifetime:
    """Falcon middleware for ASGI's lifespan."""

    def __init__(
        self,
        transport: AsyncioTransport,
        upstream: Upstream,
        cutter: Cutter,
        cache: Cache,
        probe: Probe,
        metrics: Metrics,
        breaker: Breaker,
        access_log: AccessLog,
        callers: Callers | None,
        settings: GatewaySettings,
    ) -> None:
        self._transport = transport
        self._upstream = upstream
        self._cutter = cutter
        self._cache = cache
        self._probe = probe
        self._metrics = metrics
        self._breaker = breaker
        self._access_log = access_log
        self._callers = callers
        self._settings = settings
        self._heart: asyncio.Task[None] | None = None

    async def process_startup(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Begin to trace, to count, to know callers, to probe and to show gauges."""
        tracing.start("ximilar-gateway")
        self._metrics.begin()
        if self._callers is not None:
            self._callers.begin()
        self._metrics.in_flight_limit.set(self._settings.max_in_flight)
        self._metrics.pool_limit.set(self._settings.pool)
        self._probe.start()
        self._heart = asyncio.create_task(self._beat())

    async def process_shutdown(self, _scope: Mapping[str, Any], _event: Mapping[str, Any]) -> None:
        """Give up what nobody waits for any more, close the pools, write the last lines."""
        if self._heart is not None:
            self._heart.cancel()
        await self._probe.aclose()
        await self._upstream.aclose()
        await self._cutter.aclose()
        await self._cache.aclose()
        self._transport.close()
        self._access_log.flush()
        tracing.stop()

    async def _beat(self) -> None:
        while True:
            self._metrics.breaker.set(self._breaker.state)
            self._metrics.pool_busy.set(self._transport.busy_connections)
            self._metrics.refresh()
            await asyncio.sleep(BEAT_SECONDS)
