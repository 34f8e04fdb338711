"""OpenTelemetry spans, where OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `tracing` is installed.

Otherwise nothing of OpenTelemetry is imported, and a span costs a look at one variable. The SDK reads its other
settings itself: OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER and so on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from . import logs

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NAME = "ximilar-sync"

Kind = Literal["internal", "server", "consumer", "client"]
Value = str | bool | int | float

log = logs.get(__name__)

_provider: Any = None
_tracer: Any = None


def start(service: str) -> bool:
    """Begin to trace this process as `service`, once; returns whether it does. Call it after a fork, not before.

    What is left when the process ends is sent by then, unless `stop` did before.
    """
    global _provider, _tracer
    if _tracer is not None:
        return True
    if not os.environ.get(ENDPOINT):
        return False
    try:
        _provider = _make_provider(service)
        _tracer = _provider.get_tracer(NAME)
    except ImportError:
        log.warning("tracing_off", reason=f"{ENDPOINT} is set, but the extra `tracing` is not installed")
    return _tracer is not None


def stop() -> None:
    """Send what is left and trace no more."""
    global _provider, _tracer
    ended, _provider, _tracer = _provider, None, None
    if ended is not None:
        ended.shutdown()


def span(
    name: str, *, kind: Kind = "internal", parent: Mapping[str, str] | None = None, **attributes: Value | None
) -> contextlib.AbstractContextManager[Span]:
    """Trace the block as a span; an exception that leaves it marks it as failed, by its class only.

    `parent` holds a `traceparent` header (W3C Trace Context) that the span continues; without one it belongs to the
    span around it. Attributes that are None are left out; none may be a secret or a URL with a query.
    """
    return _UNTRACED if _tracer is None else _traced(name, kind, parent, attributes)


@contextlib.contextmanager
def _traced(
    name: str, kind: Kind, parent: Mapping[str, str] | None, attributes: Mapping[str, Value | None]
) -> Iterator[Span]:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(parent) if parent else None
    given = {key: value for key, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(
        name,
        context=context,
        kind=trace.SpanKind[kind.upper()],
        attributes=given,
        # The texts of exceptions quote addresses, and through them whatever they hold.
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield Span(current)
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def headers() -> dict[str, str]:
    """Return the `traceparent` header of the present span, to be sent with a call; empty where nothing is traced.

    It tells Ximilar two random numbers, by which its support and we can speak of one call. Baggage and tracestate
    stay here.
    """
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name: value for name, value in carrier.items() if name == "traceparent"}


class Span:
    """What the block may tell of its span."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, **attributes: Value | None) -> None:
        """Add attributes; those that are None are left out."""
        if self._span is not None:
            for key, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(key, value)


_UNTRACED = contextlib.nullcontext(Span())


def _make_provider(service: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OTEL_SERVICE_NAME, where it is set, wins.
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
