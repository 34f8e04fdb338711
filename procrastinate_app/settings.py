"""The worker's settings: every variable it knows, with its meaning, and the frozen value built of them.

Each program reads the environment once, at its entry, and passes `Settings` on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import unquote

from . import environment
from .environment import Variable
from .variables import LOG_VARIABLES, XIMILAR_VARIABLES

DATABASE = frozenset({"STAGING_DB_URL"})
WORKER = DATABASE | {"XIMILAR_API_TOKEN", "XIMILAR_COLLECTION_ID"}

METRICS_VARIABLES = (
    Variable(
        "METRICS_HOST",
        "metrics_host",
        "where the exporter listens; the metrics name no product and no secret",
        "127.0.0.1",
        environment.printable,
    ),
    Variable("METRICS_PORT", "metrics_port", "the exporter's port", "9101", environment.whole(0, 65535)),
    Variable(
        "METRICS_CACHE_SECONDS",
        "metrics_cache_seconds",
        "how often the exporter asks the database; costly figures 6 and 60 times as seldom",
        "10",
        environment.number(0.1, 300),
    ),
    Variable(
        "XIMILAR_COLLECTION_CAPACITY",
        "collection_capacity",
        "photos the collection may hold, for the alert that it is almost full; 0: not known",
        "0",
        environment.whole(0, 10**9),
    ),
    Variable(
        "XIMILAR_CREDITS_WARN",
        "credits_warn",
        "fewer credits than this are warned of, where the profile can ask for them; 0: never",
        "10000",
        environment.whole(0, 10**9),
    ),
)

VARIABLES = (
    Variable(
        "STAGING_DB_URL",
        "staging_db_url",
        "Staging Postgres; PgBouncer in transaction mode is fine",
        parse=environment.postgres_url,
        secret=True,
    ),
    Variable(
        "STAGING_DB_LISTEN_URL",
        "staging_db_listen_url",
        "the same database without a pooler between, for LISTEN; empty: found out at start, else polling",
        parse=environment.postgres_url,
        secret=True,
    ),
    *XIMILAR_VARIABLES,
    Variable(
        "XIMILAR_RATE_LIMIT",
        "rate_limit",
        "requests a second, of all workers together",
        "10",
        environment.number(0.01, 1000),
    ),
    Variable("BATCH_SIZE", "batch_size", "most products a run", "1000", environment.whole(1, 10_000_000)),
    Variable(
        "WORKER_CONCURRENCY",
        "concurrency",
        "calls to Ximilar in flight in one worker process",
        "8",
        environment.whole(1, 64),
    ),
    Variable(
        "RUN_MAX_SECONDS",
        "run_max_seconds",
        "a run is closed after so many seconds; its jobs go on",
        "21600",
        environment.whole(1, 7 * 86400),
    ),
    Variable(
        "SYNC_DRAIN",
        "drain",
        "a run that ends well opens the next one, until nothing is left",
        "off",
        environment.switch,
    ),
    Variable(
        "XIMILAR_REMOVE",
        "remove",
        "photos that are gone leave the collection; auto: off in `recognition`, whose remove call is untried",
        "auto",
        environment.switch_or_auto,
    ),
    Variable(
        "XIMILAR_CARRY_METADATA",
        "carry_metadata",
        "changed names and prices are carried over, in `recognition` by removing and storing again; auto: as above",
        "auto",
        environment.switch_or_auto,
    ),
    Variable(
        "RECONCILE_CRON",
        "reconcile_cron",
        "when collection and catalogue are compared: a cron expression, UTC; empty: daily at 2",
        parse=environment.cron,
    ),
    Variable(
        "REPAIR_SHARE",
        "repair_share",
        "the most of the rate that repairs take",
        "0.3",
        environment.number(0.01, 1),
    ),
    Variable(
        "REMOVAL_DEBOUNCE_SECONDS",
        "removal_debounce_seconds",
        "a product is removed when it was missing twice, so long apart",
        "600",
        environment.whole(0, 7 * 86400),
    ),
    Variable(
        "REMOVAL_MAX_PRODUCTS",
        "removal_max_products",
        "more removals than this wait for an operator",
        "500",
        environment.whole(0, 10_000_000),
    ),
    Variable(
        "REMOVAL_MAX_PERCENT",
        "removal_max_percent",
        "so do those that are so much of the products stored",
        "5",
        environment.number(0, 100),
    ),
    Variable(
        "REMOVAL_FREE_PRODUCTS",
        "removal_free_products",
        "however much of the products stored they are, so many removals do not wait",
        "20",
        environment.whole(0, 10_000_000),
    ),
    Variable(
        "KEEP_JOBS_DAYS", "keep_jobs_days", "finished jobs are kept so long", "7", environment.whole(1, 3650)
    ),
    Variable(
        "KEEP_HISTORY_DAYS",
        "keep_history_days",
        "attempts, runs and the console's audit are kept so long",
        "400",
        environment.whole(1, 3650),
    ),
    *METRICS_VARIABLES,
    *LOG_VARIABLES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the worker and its command line; the meaning of each is in VARIABLES."""

    staging_db_url: str = field(repr=False)
    staging_db_listen_url: str = field(repr=False)
    token: str = field(repr=False)
    collection_id: str
    api_url: str
    profile: str
    collection_path: str
    search_method: str
    task_id: str
    allow_private_urls: bool
    rate_limit: float
    batch_size: int
    concurrency: int
    run_max_seconds: int
    drain: bool
    remove: bool | None
    carry_metadata: bool | None
    reconcile_cron: str
    repair_share: float
    removal_debounce_seconds: int
    removal_max_products: int
    removal_max_percent: float
    removal_free_products: int
    keep_jobs_days: int
    keep_history_days: int
    metrics_host: str
    metrics_port: int
    metrics_cache_seconds: float
    collection_capacity: int
    credits_warn: int
    log_level: str
    log_format: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str], required: frozenset[str] = WORKER) -> Settings:
        """Build the settings. Raises SettingsError with a line for each variable that is missing or wrong."""
        return cls(**environment.read(environ, VARIABLES, required))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be printed: the token, the database URLs and the passwords in them."""
        urls = (self.staging_db_url, self.staging_db_listen_url)
        passwords = [found[2] or found[4] for url in urls for found in _PASSWORD.finditer(url)]
        texts = dict.fromkeys((self.token, *urls, *passwords, *map(unquote, passwords)))
        return tuple(text for text in texts if text)

    def missing(self, required: frozenset[str]) -> list[str]:
        """Return the names among `required` that are not set."""
        return [v.name for v in VARIABLES if v.name in required and not getattr(self, v.field)]


def masked(settings: Settings) -> dict[str, str]:
    """Return {variable: value} for display, with secrets masked and passwords taken out of URLs."""
    return {variable.name: _display(variable, getattr(settings, variable.field)) for variable in VARIABLES}


# Before the host, up to the last @ even where an earlier one should have been encoded; or as a parameter.
_PASSWORD = re.compile(r"(://[^/:@]*:)(.+)(?=@)|([?&](?:ssl)?password=)([^&]*)")


def _display(variable: Variable, value: object) -> str:
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    if not variable.secret or not text:
        return text
    if "://" in text:
        return _PASSWORD.sub(lambda found: (found[1] or found[3]) + "***", text)
    return "***"


assert {f.name for f in fields(Settings)} == {v.field for v in VARIABLES}
