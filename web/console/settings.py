"""The console's settings: every variable it knows, with meaning and unit, and the value built of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import psycopg
import psycopg.conninfo

from procrastinate_app import environment
from procrastinate_app import settings as worker_settings
from procrastinate_app.environment import Variable
from procrastinate_app.reconcile import Guard
from procrastinate_app.ximilar import profiles

# What the console shows or obeys of the worker's settings.
SHARED = (
    *(
        "STAGING_DB_URL",
        "XIMILAR_RATE_LIMIT",
        "XIMILAR_ALLOW_PRIVATE_URLS",
        "XIMILAR_API_PROFILE",
        "XIMILAR_REMOVE",
    ),
    *("REMOVAL_DEBOUNCE_SECONDS", "REMOVAL_MAX_PRODUCTS", "REMOVAL_MAX_PERCENT", "REMOVAL_FREE_PRODUCTS"),
    *("LOG_LEVEL", "LOG_FORMAT"),
)

VARIABLES = (
    *(variable for variable in worker_settings.VARIABLES if variable.name in SHARED),
    Variable("CONSOLE_HOST", "host", "address the console listens on", "127.0.0.1"),
    Variable("CONSOLE_PORT", "port", "port the console listens on", "8002", environment.whole(0, 65535)),
    Variable(
        "CONSOLE_USERS_FILE",
        "users_file",
        "file of the console's users, `name:role:hash` a line; empty: the console stays closed",
    ),
    Variable(
        "CONSOLE_SESSION_KEY",
        "session_key",
        "secret that signs sessions; empty: a new one at each start, which signs everybody out",
        secret=True,
    ),
    Variable(
        "CONSOLE_SESSION_HOURS",
        "session_hours",
        "hours until one has to sign in again",
        "12",
        environment.number(0.1, 720),
    ),
    Variable("CONSOLE_POOL", "pool", "database connections of the console", "4", environment.whole(2, 32)),
    Variable(
        "CONSOLE_STATEMENT_SECONDS",
        "statement_seconds",
        "seconds a page waits for one of its questions to the database",
        "5",
        environment.number(0.05, 60),
    ),
    Variable(
        "CONSOLE_CREDITS_PER_PHOTO",
        "credits_per_photo",
        "credits a stored photo costs, for the estimate of a run's cost",
        "1",
        environment.number(0, 1000),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """All settings of the console; the meaning of each is in VARIABLES."""

    staging_db_url: str = field(repr=False)
    rate_limit: float
    allow_private_urls: bool
    profile: str
    remove: bool | None
    removal_debounce_seconds: int
    removal_max_products: int
    removal_max_percent: float
    removal_free_products: int
    log_level: str
    log_format: str
    host: str
    port: int
    users_file: str
    session_key: str = field(repr=False)
    session_hours: float
    pool: int
    statement_seconds: float
    credits_per_photo: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ConsoleSettings:
        """Build the settings. Raises SettingsError with a line for each variable that is missing or wrong."""
        return cls(**environment.read(environ, VARIABLES, worker_settings.DATABASE))

    @property
    def may_remove(self) -> bool:
        """Whether the workers let photos leave the collection, if their settings are these."""
        return profiles.may_remove(self.profile, self.remove)

    @property
    def guard(self) -> Guard:
        """When removals wait for an operator."""
        return Guard(
            self.removal_debounce_seconds,
            self.removal_max_products,
            self.removal_max_percent,
            self.removal_free_products,
        )

    @property
    def bind(self) -> str:
        """The address in gunicorn's spelling."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be printed: the session key, the database's URL and its password."""
        with contextlib.suppress(psycopg.Error):
            password = psycopg.conninfo.conninfo_to_dict(self.staging_db_url).get("password")
            return tuple(filter(None, (self.session_key, self.staging_db_url, str(password or ""))))
        return tuple(filter(None, (self.session_key, self.staging_db_url)))


assert {f.name for f in fields(ConsoleSettings)} == {v.field for v in VARIABLES}
