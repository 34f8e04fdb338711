"""How the gateway speaks at its start, and how gunicorn's own lines join its log."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import gunicorn.glogging  # type: ignore[import-untyped]

from procrastinate_app import environment, logs
from procrastinate_app.ximilar import profiles

from .exchange import without_crop
from .settings import GatewaySettings
from .version import version


class GunicornLogger(gunicorn.glogging.Logger):  # type: ignore[misc]
    """Sends what gunicorn says through `logs`."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        settings = GatewaySettings.from_env(environment.load())
        logs.configure(settings.log_level, settings.log_format, secrets=settings.secrets)
        self.error_log.handlers = []
        self.error_log.propagate = True
        logging.getLogger("gunicorn.access").handlers = []

    def debug(self, msg: str, *args: object, **kwargs: object) -> None:
        """gunicorn notes the path of each request; that of a crop opens it to whoever reads the log."""
        super().debug(msg, *(without_crop(part) for part in args), **kwargs)


def announce(settings: GatewaySettings) -> None:
    """Say what starts, and warn of what will not work or should not be so."""
    log = logs.get("gateway")
    log.info(
        "gateway_starting",
        version=version(),
        bind=settings.bind,
        workers=settings.workers,
        api_url=settings.api_url,
        profile=settings.profile,
        cache_seconds=settings.cache_seconds,
        callers="by token" if settings.tokens_file else "anybody",
    )
    for name in settings.missing:
        log.warning("variable_missing", variable=name, meaning="what needs it answers 502")
    if not settings.signs_crops and not profiles.make(settings).gives_crops:
        log.warning(
            "no_crop_urls",
            variables="GATEWAY_PUBLIC_URL and GATEWAY_CROP_KEY",
            meaning="every crop_url is null; /recognize works all the same",
        )
    if settings.allow_private_urls:
        log.warning("private_urls_allowed", meaning="for development only")
    if not settings.tokens_file and not _is_private(settings.host):
        log.warning("open_to_anybody", bind=settings.bind, meaning="set GATEWAY_TOKENS_FILE")


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified
