"""The database of the local system: in the private PostgreSQL, or the one that DEMO_DB_URL names."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster


@dataclass(frozen=True, slots=True)
class Database:
    """Where it is, for people; its URL for the role `ximilar`, and the one for the owner of Staging."""

    place: str
    url: str = field(repr=False)
    owner_url: str = field(repr=False)

    def owner(self) -> psycopg.Connection:
        """Connect as the owner, in autocommit."""
        return psycopg.connect(self.owner_url, autocommit=True)


@contextlib.contextmanager
def opened(state: Path, name: str, given_url: str) -> Iterator[Database]:
    """Yield the prepared database: `given_url`, or if that is empty the database `name` in a server of ours.

    Raises:
        ClusterError: our server does not start.
        staging.ForeignDatabaseError: the database, or its server, is somebody else's.
    """
    password = _role_password(state)
    if given_url:
        database = Database("DEMO_DB_URL", _for_role(given_url, password), given_url)
        _prepare(database, password)
        yield database
        return
    with Cluster(state / "postgres") as cluster:
        _create(cluster, name)
        url = cluster.url(staging.ROLE, name, password)
        place = f"{cluster.host}:{cluster.port}, database {name}"
        database = Database(place, url, cluster.url(SUPERUSER, name))
        _prepare(database, password)
        yield database


def _prepare(database: Database, password: str) -> None:
    with database.owner() as owner:
        staging.prepare(owner, password)


def _create(cluster: Cluster, name: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        if server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount == 0:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _for_role(owner_url: str, password: str) -> str:
    """Return the URL with the role `ximilar` in place of the owner."""
    parts = conninfo_to_dict(owner_url)
    database = quote(str(parts.pop("dbname", SUPERUSER)), safe="")
    options = {name: str(value) for name, value in parts.items() if name not in ("user", "password")}
    return f"postgresql://{staging.ROLE}:{quote(password, safe='')}@/{database}?{urlencode(options)}"


def _role_password(state: Path) -> str:
    """Return the role's password, chosen once."""
    file = state / "role-password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return file.read_text(encoding="ascii")
