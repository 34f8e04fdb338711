"""Puts the gateway together: `create_app(settings)` is the whole of it, by hand, in one place."""

from __future__ import annotations

import os
import sys
from typing import Any

import falcon.asgi

from procrastinate_app.ximilar import profiles
from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport

from . import failures
from .access_log import AccessLog
from .attempts import Attempts
from .breaker import Breaker
from .cache import Cache
from .callers import Callers
from .crop_urls import CropUrls
from .crops import Crops
from .cutter import Cutter, Fetcher
from .docs import DocsResource, OpenApiResource
from .edge import Edge
from .exchange import CROP
from .health import HealthResource, LivenessResource, MetricsResource, ReadinessResource
from .lifetime import Lifetime
from .metrics import Metrics
from .probe import Probe
from .resources import CropResource, DetectResource, Photos, RecognizeResource, SearchResource, TagResource
from .settings import GatewaySettings
from .upstream import Upstream


def create_app(settings: GatewaySettings, transport: AsyncioTransport | None = None) -> Edge:
    """Return the ASGI application. Raises TokensFileError where the file of tokens cannot be read.

    `transport` carries the calls in place of one to `settings.api_url`.
    """
    metrics = Metrics()
    access_log = _access_log(settings, metrics)
    transport = transport or AsyncioTransport(
        settings.api_url,
        settings.token,
        connections=settings.pool,
        deadline=settings.deadline,
        user_agent="ximilar-gateway",
    )
    breaker = Breaker(settings.breaker_seconds)
    attempts = Attempts(
        transport,
        breaker,
        metrics,
        spare=Breaker(settings.breaker_seconds),
        limit=settings.max_in_flight,
        deadline=settings.deadline,
        token_known=bool(settings.token),
    )
    cache = Cache(
        settings.cache_seconds,
        settings.cache_entries,
        redis_url=settings.redis_url,
        on_redis_error=metrics.redis_errors.inc,
    )
    upstream = Upstream(attempts, cache, metrics, settings.api_url)
    cutter = _cutter(settings, metrics)
    probe = Probe(settings.api_url, settings.probe_seconds, os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    callers = Callers(settings.tokens_file) if settings.tokens_file else None
    lifetime = Lifetime(
        transport, upstream, cutter, cache, probe, metrics, breaker, access_log, callers, settings
    )
    app = falcon.asgi.App(middleware=[lifetime])
    failures.add_handlers(app)
    _add_calls(app, upstream, cutter, settings)
    _add_pages(app, metrics, probe, settings)
    return Edge(
        app,
        metrics,
        access_log,
        callers,
        deadline=settings.deadline,
        read_seconds=settings.read_seconds,
    )


def _access_log(settings: GatewaySettings, metrics: Metrics) -> AccessLog:
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stdout.isatty())
    return AccessLog(
        enabled=settings.access_log,
        text=as_text,
        verbose=settings.log_level == "debug",
        on_drop=metrics.log_lines_dropped.inc,
    )


def _cutter(settings: GatewaySettings, metrics: Metrics) -> Cutter:
    def make_fetcher() -> Fetcher:
        from .fetching import PhotoFetcher

        return PhotoFetcher(max_bytes=settings.photo_max_bytes, allow_private=settings.allow_private_urls)

    return Cutter(make_fetcher, metrics, max_pixels=settings.photo_max_pixels, seconds=settings.cache_seconds)


def _add_calls(
    app: falcon.asgi.App[Any, Any], upstream: Upstream, cutter: Cutter, settings: GatewaySettings
) -> None:
    signer = None
    if settings.signs_crops:
        signer = CropUrls(settings.public_url, settings.crop_key, settings.crop_seconds)
    crops = Crops(cutter, signer, allow_private=settings.allow_private_urls)
    photos = Photos(
        upstream,
        profiles.make(settings),
        crops,
        allow_private=settings.allow_private_urls,
        searchable=bool(settings.collection_id),
    )
    app.add_route("/detect", DetectResource(photos))
    app.add_route("/tag", TagResource(photos))
    app.add_route("/search", SearchResource(photos))
    app.add_route("/recognize", RecognizeResource(photos))
    app.add_route(CROP, CropResource(crops))


def _add_pages(
    app: falcon.asgi.App[Any, Any], metrics: Metrics, probe: Probe, settings: GatewaySettings
) -> None:
    app.add_route("/livez", LivenessResource())
    app.add_route("/readyz", ReadinessResource(settings.missing))
    app.add_route("/health", HealthResource(probe))
    app.add_route("/metrics", MetricsResource(metrics))
    app.add_route("/openapi.json", OpenApiResource())
    app.add_route("/docs", DocsResource())
