"""Secrets that are made up anew for every run of the tests and planted in every program that a test starts.

What a program writes must not show one: `tests/fix_canaries.py` looks at all that a test leaves behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from psycopg.sql import SQL

LARGEST_FILE_BYTES = 256 * 1024 * 1024
KINDS = ("token", "database-password", "bearer", "crop-key", "console-password", "redis-password")

PLANTED: Mapping[str, str] = MappingProxyType(
    {kind: f"canary-{kind}-{secrets.token_hex(12)}" for kind in KINDS}
)
"""{what it is for: the secret}; of letters, digits and hyphens, so that it stands in a URL as it is."""

# Everything in the database that a program of ours writes in words of its own.
WRITTEN = SQL("""
    SELECT coalesce(string_agg(said, ' '), '') FROM (
        SELECT args::text AS said FROM ximilar.procrastinate_jobs
         UNION ALL SELECT message FROM ximilar.attempts
         UNION ALL SELECT pause_text FROM ximilar.throttle
         UNION ALL SELECT error_message FROM public.raw_products
         UNION ALL SELECT error_message FROM public.scraper_logs) AS written
""")


def shown_in(text: str, *, secret: Iterable[str] = PLANTED.values()) -> list[str]:
    """Which of the secrets a text shows, without what makes them secret."""
    return [found.rpartition("-")[0] for found in secret if found in text]


def shown_below(
    folder: Path, pattern: str = "*.log", *, secret: Iterable[str] = PLANTED.values()
) -> list[str]:
    """Where below a folder a file shows one: "file: what"."""
    secret = list(secret)
    shown = []
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and path.stat().st_size <= LARGEST_FILE_BYTES:
            text = path.read_text(encoding="utf-8", errors="replace")
            shown += [f"{path.name}: {what}" for what in shown_in(text, secret=secret)]
    return shown
