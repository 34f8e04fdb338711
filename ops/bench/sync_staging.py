"""Throw-away Staging databases: a server of their own, a template a size, a copy a measurement."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app.migrations import migrate
from procrastinate_app.queries import SQL_FOLDER

FOLDER_PREFIX = "ximilar-bench-"

PRODUCTS = """
    INSERT INTO public.raw_products (external_id, brand, name, category, price, image_urls, image_status)
    SELECT 'SKU-' || n, 'UNDE', 'Coat number ' || n, 'coats', 599.00,
           (SELECT jsonb_agg(%(photos_url)s || '?product=' || n || '&photo=' || place)
              FROM generate_series(1, %(photos)s) place),
           'uploaded'
      FROM generate_series(1, %(products)s) n
"""
# As ximilar_sync does, without a worker.
ENQUEUE = """
    WITH opened AS (INSERT INTO ximilar.runs (kind) VALUES ('sync') RETURNING id)
    SELECT ximilar.enqueue_v1(ARRAY(SELECT id FROM public.raw_products ORDER BY id), (SELECT id FROM opened))
"""


@dataclass(frozen=True, slots=True)
class Staging:
    """One database; `url` is that of the role `ximilar`."""

    name: str
    url: str = field(repr=False)
    owner_url: str = field(repr=False)

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement as the owner and return its rows."""
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            owner.execute("SET search_path = ximilar, public")  # one that is not there is passed over
            cursor = owner.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


class Server:
    """A PostgreSQL of its own, whose databases are made from templates."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._password = secrets.token_urlsafe(16)

    def create(self, name: str) -> Staging:
        """Make a migrated Staging without products."""
        self._server("CREATE DATABASE {}", name)
        made = self._named(name)
        with psycopg.connect(made.owner_url, autocommit=True) as owner:
            staging.prepare(owner, self._password)
        migrate(made.url)
        return made

    def fill(self, made: Staging, products: int, photos: int, photos_url: str, *, queued: bool) -> None:
        """Add products of so many photos each and, if `queued`, a job for every one, as a run."""
        made.query(PRODUCTS, {"products": products, "photos": photos, "photos_url": photos_url})
        for index in optional_indexes():
            made.query(index)
        if queued:
            made.query(ENQUEUE)
        made.query("VACUUM ANALYZE")

    @contextlib.contextmanager
    def copy(self, template: Staging) -> Iterator[Staging]:
        """A copy for one measurement, dropped whoever is still connected."""
        name = f"bench_{secrets.token_hex(4)}"
        self._server("CREATE DATABASE {} TEMPLATE {}", name, template.name)
        copied = self._named(name)
        try:
            with psycopg.connect(copied.owner_url, autocommit=True) as owner:
                staging.grant(owner)
            copied.query("CHECKPOINT")
            yield copied
        finally:
            self._server("DROP DATABASE {} WITH (FORCE)", name)

    @contextlib.contextmanager
    def bare(self) -> Iterator[Staging]:
        """A database of the role `ximilar` with nothing in it, dropped after use."""
        name = f"bench_{secrets.token_hex(4)}"
        self._server("CREATE DATABASE {} OWNER ximilar", name)
        try:
            yield self._named(name)
        finally:
            self._server("DROP DATABASE {} WITH (FORCE)", name)

    def _named(self, name: str) -> Staging:
        url = self.cluster.url(staging.ROLE, name, self._password)
        return Staging(name, url, self.cluster.url(SUPERUSER, name))

    def _server(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.cluster.url(), autocommit=True) as server:
            server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextlib.contextmanager
def running(*, durable: bool) -> Iterator[Server]:
    """A server in a temporary folder; `durable` is fsync and full_page_writes on. Removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    cluster = Cluster(folder / "postgres", durable=durable)
    try:
        cluster.start()
        yield Server(cluster)
    finally:
        cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)


def optional_indexes() -> list[str]:
    """The statements of sql/optional/raw_products_indexes.sql; none may be in a transaction."""
    text = (SQL_FOLDER / "optional/raw_products_indexes.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]
