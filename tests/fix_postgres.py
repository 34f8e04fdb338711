"""Fixtures for a real PostgreSQL: one throw-away server a session, one copy of a template a test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from tests import canaries

TEMPLATE = "template_staging"


@dataclass(frozen=True, slots=True)
class Database:
    """One test's database; the URLs go straight to Postgres."""

    name: str
    url: str = field(repr=False)
    owner_url: str = field(repr=False)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running server without durability, removed with the session."""
    directory = Path(tempfile.mkdtemp(prefix="ximilar-sync-tests-"))
    cluster = Cluster(directory, durable=False)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def role_password() -> str:
    """The password of the role `ximilar`, which is one for the whole server."""
    return canaries.PLANTED["database-password"]


@pytest.fixture(scope="session")
def template(cluster: Cluster, role_password: str) -> str:
    """The name of a database with the tables of Staging and our migrated schema, to be copied."""
    from procrastinate_app.migrations import migrate

    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(cluster.url(SUPERUSER, TEMPLATE), autocommit=True) as owner:
        staging.prepare(owner, role_password)
    migrate(cluster.url(staging.ROLE, TEMPLATE, role_password))
    return TEMPLATE


@pytest.fixture
def database(cluster: Cluster, template: str, role_password: str) -> Iterator[Database]:
    """A fresh copy of the template, dropped after the test whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    owner_url = cluster.url(SUPERUSER, name)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    with psycopg.connect(owner_url, autocommit=True) as owner:
        staging.grant(owner)
    yield Database(name, cluster.url(staging.ROLE, name, role_password), owner_url)
    cluster.start()  # a test may have stopped it
    _demand_no_secrets(owner_url)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _demand_no_secrets(owner_url: str) -> None:
    with psycopg.connect(owner_url) as owner:
        if owner.execute("SELECT to_regclass('ximilar.attempts')").fetchone() != (None,):
            assert canaries.shown_in(str(owner.execute(canaries.WRITTEN).fetchone())) == []


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection]:
    """A connection of the role `ximilar`, in autocommit."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    """A connection of the superuser, in autocommit."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection
