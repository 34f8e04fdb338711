"""What all tests share: fixtures for Postgres and PgBouncer, and an environment without settings."""

from __future__ import annotations

import os

import pytest

from ops.local.environ import is_setting

pytest_plugins = (
    "tests.fix_canaries",
    "tests.fix_postgres",
    "tests.fix_pgbouncer",
    "tests.fix_system",
    "tests.fix_catalogue",
    "tests.fix_upstream",
    "tests.fix_worker",
    "tests.fix_proxy",
    "tests.fix_drill",
    "tests.fix_hosts",
    "tests.fix_names",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the variables that the programs read, and keep them from reading a `.env`."""
    for name in tuple(os.environ):
        if is_setting(name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XIMILAR_ENV_FILE", "")
