"""How the console speaks at its start, and how gunicorn's own lines join its log."""

from __future__ import annotations

from typing import Any

import gunicorn.glogging  # type: ignore[import-untyped]

from procrastinate_app import database, environment, logs

from .settings import ConsoleSettings
from .users import Users, UsersFileError


class GunicornLogger(gunicorn.glogging.Logger):  # type: ignore[misc]
    """Sends what gunicorn says through `logs`."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        settings = ConsoleSettings.from_env(environment.load())
        logs.configure(settings.log_level, settings.log_format, secrets=settings.secrets)
        self.error_log.handlers = []
        self.error_log.propagate = True


def demand_database_url(settings: ConsoleSettings) -> None:
    """Raise SettingsError for a URL that cannot be read."""
    database.conninfo(settings.staging_db_url)


def announce(settings: ConsoleSettings) -> None:
    """Say what starts, and whether anybody can sign in."""
    log = logs.get("console")
    log.info("console_starting", bind=settings.bind)
    try:
        users = Users(settings.users_file).all()
    except UsersFileError as error:
        log.error("console_closed", reason=f"CONSOLE_USERS_FILE {error}")
        return
    if not users:
        log.warning(
            "console_closed", meaning="set CONSOLE_USERS_FILE; python -m web.console.users add NAME writes it"
        )
    if not settings.session_key:
        log.info("sessions_end_with_this_process", meaning="set CONSOLE_SESSION_KEY to keep people signed in")
