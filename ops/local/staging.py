"""A Staging database for development: the role `ximilar`, the two tables that belong to others, the grants.

What is made here carries a mark, and what lacks the mark is never touched: it may be the real Staging.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

ROLE = "ximilar"
MARK = "development only, made by ops/local"

SQL = Path(__file__).resolve().parents[2] / "sql"

COMMENTS = """
    SELECT 'role ' || rolname, coalesce(shobj_description(oid, 'pg_authid'), '')
      FROM pg_roles WHERE rolname = %s
    UNION ALL
    SELECT 'table ' || relname, coalesce(obj_description(oid, 'pg_class'), '')
      FROM pg_class WHERE oid IN (to_regclass('public.raw_products'), to_regclass('public.scraper_logs'))
"""


class ForeignDatabaseError(RuntimeError):
    """The database, or its server, holds a role or a table that was not made here."""


def prepare(owner: psycopg.Connection[Any], password: str) -> None:
    """Make what is missing in the current database and give the role its password.

    `owner` is in autocommit and may create roles. Raises ForeignDatabaseError before anything is changed.
    """
    refuse_foreign(owner)
    with owner.transaction():
        _make_role(owner, password)
        owner.execute(_script("dev/staging.sql"))
        for table in ("raw_products", "scraper_logs"):
            comment = sql.SQL("COMMENT ON TABLE public.{} IS {}")
            owner.execute(comment.format(sql.Identifier(table), sql.Literal(MARK)))
        grant(owner)


def grant(owner: psycopg.Connection[Any]) -> None:
    """Run sql/grants.sql; a copy of a database needs it again: settings of a role are not copied with it."""
    owner.execute(_script("grants.sql"))


def empty(owner: psycopg.Connection[Any]) -> None:
    """Delete all rows and our schema with all it remembers. Raises ForeignDatabaseError."""
    refuse_foreign(owner)
    with owner.transaction():
        owner.execute("DROP SCHEMA ximilar CASCADE")
        owner.execute("TRUNCATE public.raw_products, public.scraper_logs RESTART IDENTITY")
        grant(owner)


def refuse_foreign(owner: psycopg.Connection[Any]) -> None:
    """Raise ForeignDatabaseError if the role or one of the tables exists without our mark."""
    foreign = [thing for thing, comment in owner.execute(COMMENTS, [ROLE]) if comment != MARK]
    if foreign:
        raise ForeignDatabaseError(f"not made by ops/local, so left alone: {', '.join(foreign)}")


def _make_role(owner: psycopg.Connection[Any], password: str) -> None:
    role = sql.Identifier(ROLE)
    if owner.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).rowcount == 0:
        owner.execute(sql.SQL("CREATE ROLE {}").format(role))
        owner.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(MARK)))
    owner.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))


def _script(name: str) -> str:
    return (SQL / name).read_text(encoding="utf-8")
