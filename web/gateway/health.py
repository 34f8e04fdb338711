"""Health and metrics: what supervisors and Prometheus ask. None of it costs a credit or waits for Ximilar."""

from __future__ import annotations

import falcon.asgi
import msgspec

from .metrics import CONTENT_TYPE, Metrics
from .probe import Probe
from .problems import Problem


class LivenessResource:
    """GET /livez: this process answers. Touches nothing."""

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.data = b'{"status":"ok"}'
        resp.content_type = falcon.MEDIA_JSON


class ReadinessResource:
    """GET /readyz: send requests here, unless this process is leaving or lacks a variable it needs."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        self._missing = missing

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        if req.scope.get("state", {}).get("draining"):
            raise Problem(503, "draining", "This process is about to end.", retry_after=1)
        if self._missing:
            names = " and ".join(self._missing)
            raise Problem(503, "misconfigured", f"Not set: {names}.", retry_after=60)
        resp.data = b'{"status":"ready"}'
        resp.content_type = falcon.MEDIA_JSON


class HealthResource:
    """GET /health, as the old gateway had it: always 200, with whether Ximilar can be reached."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        reachable = await self._probe.reachable()
        resp.data = msgspec.json.encode({"status": "ok", "ximilar_reachable": reachable})
        resp.content_type = falcon.MEDIA_JSON


class MetricsResource:
    """GET /metrics: the figures of all processes, in Prometheus' text format."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        self._metrics.refresh()
        resp.data = self._metrics.page()
        resp.content_type = CONTENT_TYPE
