"""Staging as it was before this project: the tables of others, the role without a grant, no schema of ours."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from tests.fix_postgres import Database

TABLES = Path(__file__).parents[3] / "sql/dev/staging.sql"


@contextlib.contextmanager
def bare_staging(cluster: Cluster, role_password: str) -> Iterator[Database]:
    """Yield a new database on a server where the role exists; drop it afterwards."""
    name = f"bare_{secrets.token_hex(6)}"
    owner_url = cluster.url(SUPERUSER, name)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(TABLES.read_bytes())
    yield Database(name, cluster.url(staging.ROLE, name, role_password), owner_url)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
