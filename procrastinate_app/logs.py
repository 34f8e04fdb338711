"""Logging: one line an event to stdout, a constant event name with facts as fields.

JSON for machines, aligned text on a terminal. Libraries' own records (procrastinate, psycopg, gunicorn) come
out in the same form. Registered secrets are replaced wherever they appear.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

Event = MutableMapping[str, Any]

VALUE_LIMIT = 2000


def configure(
    level: str = "info", format: str = "auto", *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Send structlog's and logging's events to `stream` (stdout), at `level` and above."""
    out = stream or sys.stdout
    as_text = format == "text" or (format == "auto" and out.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=("action", "duration", "queues")),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Redactor(secrets),
        _when_and_what_first,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(as_text)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _quieten_libraries(level)


def configure_once(level: str, format: str, *, secrets: Iterable[str]) -> None:
    """Configure unless that was done: procrastinate's command line starts a worker without asking us first."""
    if not structlog.is_configured():
        configure(level, format, secrets=secrets)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger `name`; call it as log.info("product_synced", sku=..., photos=3)."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class _Redactor:
    """Replaces secrets by *** and cuts long values, in everything of an event that becomes text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True)

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        for key, value in event.items():
            event[key] = self._clean(value)
        return event

    def _clean(self, value: Any) -> Any:
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, dict):
            return {self._clean(str(key)): self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner) for inner in value]
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= VALUE_LIMIT else _without_its_middle(text)


def _without_its_middle(text: str) -> str:
    # The last line of a traceback says what happened.
    half = VALUE_LIMIT // 2
    return f"{text[:half]} ... {text[-half:]}"


def _when_and_what_first(_logger: object, _method: str, event: Event) -> Event:
    return {**{key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}, **event}


def _renderer(as_text: bool) -> Any:
    if as_text:
        return structlog.dev.ConsoleRenderer(colors=False, pad_event_to=28)
    return structlog.processors.JSONRenderer(default=str)


def _quieten_libraries(level: str) -> None:
    # procrastinate tells every job's start and end at info; our own events say it with the SKU and the reason.
    floor = logging.DEBUG if level == "debug" else logging.WARNING
    for name in ("procrastinate", "urllib3", "psycopg.pool", "asyncio"):
        logging.getLogger(name).setLevel(floor)
