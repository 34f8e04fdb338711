"""The gateway's metrics, and the page that shows those of all its processes.

The three `http_` ones keep the names, labels and types of prometheus-fastapi-instrumentator 7, so that what
scraped the old gateway needs no change.
"""

from __future__ import annotations

import os
import platform
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from . import shared_folder
from .processes import Processes
from .version import version

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CUT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
UPSTREAM_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)


class Labelled(dict[str | tuple[str, ...], Any]):
    """A metric's children by their labels: prometheus_client's own look-up takes a lock and some time."""

    def __init__(self, metric: Counter | Gauge | Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, values: str | tuple[str, ...]) -> Any:
        child = self[values] = self._metric.labels(*((values,) if isinstance(values, str) else values))
        return child


class Metrics:
    """Counters of one process; with PROMETHEUS_MULTIPROC_DIR set, `page` adds up those of all of them."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._pid = os.getpid()
        if self._folder:
            # prometheus_client would ask the kernel at each count: that was a fifteenth of a request's time.
            values.ValueClass = values.MultiProcessValue(lambda: self._pid)  # type: ignore[no-untyped-call]
        self._processes = Processes(self._folder)
        self._of_requests(registry)
        self._of_calls(registry)
        self._of_photos(registry)
        self._gauges(registry)

    def begin(self) -> None:
        """Count for this process: the application is made before it is forked."""
        self._pid = os.getpid()
        self._build.labels(version(), platform.python_version()).set(1)

    def page(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return self._counts() + self._processes.page()

    def _counts(self) -> bytes:
        if not self._folder:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        with shared_folder.locked(self._folder, shared=True):
            return generate_latest(registry)

    def refresh(self) -> None:
        """Write down what this process shows about itself, for the page that another process renders."""
        self._processes.refresh()

    def _of_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Labelled(
            Counter(
                "http_requests_total",
                "Requests by method, status class and handler.",
                ("method", "status", "handler"),
                registry=registry,
            )
        )
        self.seconds = Labelled(
            Histogram(
                "http_request_duration_seconds",
                "Time taken by requests.",
                ("method", "handler"),
                buckets=HTTP_BUCKETS,
                registry=registry,
            )
        )
        self.in_progress = Labelled(
            Gauge(
                "http_requests_in_progress",
                "Requests being served.",
                ("method", "handler"),
                registry=registry,
                multiprocess_mode="livesum",
            )
        )
        self.unauthorized = Counter(
            "gateway_unauthorized_total", "Requests without a valid token.", registry=registry
        )
        self.log_lines_dropped = Counter(
            "gateway_access_log_dropped_total", "Access log lines nobody took in time.", registry=registry
        )

    def _of_calls(self, registry: CollectorRegistry) -> None:
        self.upstream_seconds = Labelled(
            Histogram(
                "gateway_upstream_seconds",
                "Time taken by single calls to Ximilar.",
                ("call",),
                buckets=UPSTREAM_BUCKETS,
                registry=registry,
            )
        )
        self.upstream_calls = Labelled(
            Counter(
                "gateway_upstream_calls_total",
                "Single calls to Ximilar by their outcome: ok, or the cause of the failure.",
                ("call", "outcome"),
                registry=registry,
            )
        )
        self.retries = Labelled(
            Counter(
                "gateway_upstream_retries_total", "Calls repeated after a 429.", ("call",), registry=registry
            )
        )
        self.cache = Labelled(
            Counter(
                "gateway_cache_total",
                "Questions by where the answer came from: hit, joined (somebody was asking already) or miss.",
                ("call", "result"),
                registry=registry,
            )
        )
        self.redis_errors = Counter(
            "gateway_redis_errors_total", "Failures of the shared cache.", registry=registry
        )

    def _of_photos(self, registry: CollectorRegistry) -> None:
        self.photo_fetches = Counter(
            "gateway_photo_fetches_total",
            "Photos downloaded to cut crops out of them, by outcome: ok, or why there is none.",
            ("outcome",),
            registry=registry,
        )
        self.photo_seconds = Histogram(
            "gateway_photo_fetch_seconds",
            "Time taken by these downloads.",
            buckets=UPSTREAM_BUCKETS,
            registry=registry,
        )
        self.cut_seconds = Histogram(
            "gateway_photo_cut_seconds",
            "Time taken to decode a photo and cut out the crops wanted at once.",
            buckets=CUT_BUCKETS,
            registry=registry,
        )

    def _gauges(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str, mode: str = "livesum") -> Gauge:
            return Gauge(name, meaning, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

        self.breaker = gauge(
            "gateway_breaker_state", "0 closed, 1 half open, 2 open; the worst of all processes.", "livemax"
        )
        self.in_flight = gauge("gateway_upstream_in_flight", "Calls to Ximilar made or waiting.")
        self.in_flight_limit = gauge("gateway_upstream_in_flight_limit", "The most of them.")
        self.pool_busy = gauge("gateway_pool_connections_busy", "Connections to Ximilar in use.")
        self.pool_limit = gauge("gateway_pool_connections_limit", "The most of them.")
        self._build = Gauge(
            "gateway_build_info",
            "Always 1; the labels say what runs.",
            ("version", "python"),
            registry=registry,
            multiprocess_mode="livemax",
        )
