"""What the role `ximilar` may do in Staging, and that it may do no more."""

from __future__ import annotations

import psycopg
import pytest

from tests.fix_catalogue import Catalogue

REFUSED = """
UPDATE raw_products SET name = NULL
UPDATE raw_products SET price = NULL
UPDATE raw_products SET image_urls = NULL
UPDATE raw_products SET image_status = NULL
UPDATE raw_products SET id = 1
UPDATE raw_products SET external_id = 'x'
DELETE FROM raw_products
TRUNCATE raw_products
INSERT INTO raw_products (name) VALUES ('x')
DROP TABLE raw_products
SELECT * FROM raw_products
SELECT secret FROM raw_products
ALTER TABLE raw_products ADD x int
CREATE INDEX ON raw_products (id)
CREATE TABLE public.mine (id int)
CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TRIGGER mine AFTER UPDATE ON raw_products EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE SCHEMA mine
SELECT * FROM scraper_logs
UPDATE scraper_logs SET status = 'x'
DELETE FROM scraper_logs
TRUNCATE scraper_logs
CREATE ROLE mine
COPY scraper_logs TO PROGRAM 'true'
SELECT pg_read_file('/etc/passwd')
SELECT setval('public.raw_products_id_seq', 1)
SELECT nextval('public.raw_products_id_seq')
DO 'BEGIN LOCK TABLE raw_products IN ACCESS EXCLUSIVE MODE; END'
ALTER TABLE raw_products DISABLE TRIGGER ALL
ALTER TABLE raw_products OWNER TO ximilar
GRANT SELECT ON raw_products TO public
COPY raw_products (id) FROM PROGRAM 'true'
SELECT pg_ls_dir('/')
SELECT lo_import('/etc/passwd')
SELECT rolpassword FROM pg_authid
ALTER ROLE ximilar SUPERUSER
ALTER SYSTEM SET log_statement = 'all'
SET ROLE postgres
SET session_replication_role = 'replica'
DROP SCHEMA public CASCADE
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'
SELECT pg_reload_conf()
"""
ALLOWED = """
UPDATE raw_products SET ximilar_status = 'synced', ximilar_synced_at = now()
UPDATE raw_products SET error_message = NULL, updated_at = now()
SELECT id, external_id, brand, name, category, price, image_urls, image_status FROM raw_products FOR UPDATE
SELECT ximilar_status, ximilar_synced_at, error_message, updated_at FROM raw_products
INSERT INTO scraper_logs (scraper_name) VALUES ('ximilar_sync')
CREATE TABLE ximilar.mine (id int)
"""


@pytest.fixture
def role(catalogue: Catalogue, conn: psycopg.Connection) -> psycopg.Connection:
    """The role's connection; `raw_products` has a row, and a column that is nobody's business."""
    catalogue.add()
    catalogue.owner.execute("ALTER TABLE raw_products ADD secret text")
    return conn


def test_what_must_be_refused_is_refused(role: psycopg.Connection, subtests: pytest.Subtests) -> None:
    for statement in REFUSED.strip().splitlines():
        with subtests.test(statement), pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.execute(statement.encode())


def test_what_the_sync_needs_is_allowed(role: psycopg.Connection, subtests: pytest.Subtests) -> None:
    for statement in ALLOWED.strip().splitlines():
        with subtests.test(statement):
            role.execute(statement.encode())


def test_the_role_has_its_path_and_its_deadlines(conn: psycopg.Connection) -> None:
    names = ("search_path", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    shown = {name: conn.execute(f"SHOW {name}".encode()).fetchone() for name in names}
    assert shown == {
        "search_path": ("ximilar, public",),
        "lock_timeout": ("5s",),
        "statement_timeout": ("1min",),
        "idle_in_transaction_session_timeout": ("1min",),
    }


def test_the_role_is_no_superuser_and_owns_nothing_but_its_schema(catalogue: Catalogue) -> None:
    role = catalogue.one(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'ximilar'"
    )
    assert not any(role.values())
    owned = catalogue.all(
        "SELECT relname FROM pg_class WHERE relowner = 'ximilar'::regrole AND relnamespace = 'public'::regnamespace"
    )
    assert owned == []
