"""The environment of programs that must not see this machine's own settings."""

from __future__ import annotations

from collections.abc import Mapping

PREFIXES = (
    *(
        "STAGING_",
        "XIMILAR_",
        "PROCRASTINATE_",
        "GATEWAY_",
        "CONSOLE_",
        "METRICS_",
        "WORKER_",
        "RUN_",
        "SYNC_",
        "RECONCILE_",
        "REPAIR_",
        "REMOVAL_",
    ),
    *("KEEP_", "LOG_", "DEMO_", "PG"),
)
NAMES = frozenset({"BATCH_SIZE", "REDIS_URL", "HOST", "PORT", "WORKERS"})


def is_setting(name: str) -> bool:
    """Whether one of our programs, or libpq, may read the variable."""
    return name.startswith(PREFIXES) or name in NAMES


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings, and without a `.env`."""
    kept = {name: value for name, value in environ.items() if not is_setting(name)}
    return {**kept, "XIMILAR_ENV_FILE": ""}
