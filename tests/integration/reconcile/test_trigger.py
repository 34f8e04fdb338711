"""The optional trigger on raw_products: minutes, not a week, and never the scraper's trouble."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from procrastinate_app import touched
from procrastinate_app.queries import SQL_FOLDER
from tests.integration.reconcile.harness import Harness


@pytest.fixture
def scraper(harness: Harness) -> Iterator[psycopg.Connection]:
    """A role that writes to raw_products and knows nothing of the schema `ximilar`; the trigger is installed."""
    harness.owner.execute(script("trigger_install.sql"))
    name, password = f"scraper_{secrets.token_hex(4)}", secrets.token_hex(8)
    role = sql.Identifier(name)
    harness.owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
    harness.owner.execute(
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON raw_products TO {}").format(role)
    )
    harness.owner.execute(sql.SQL("GRANT USAGE ON SEQUENCE raw_products_id_seq TO {}").format(role))
    conninfo = psycopg.conninfo.make_conninfo(harness.url, user=name, password=password)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection
    harness.owner.execute(sql.SQL("DROP OWNED BY {}").format(role))
    harness.owner.execute(sql.SQL("DROP ROLE {}").format(role))


def script(name: str) -> bytes:
    return (SQL_FOLDER / "optional" / name).read_bytes()


def insert(scraper: psycopg.Connection, count: int, status: str = "uploaded") -> None:
    scraper.execute(
        """
        INSERT INTO raw_products (external_id, price, image_urls, image_status)
        SELECT 'S' || n, 5, jsonb_build_array('https://photos.example.com/' || n || '.jpg'), %s
          FROM generate_series(1, %s) AS n
        """,
        [status, count],
    )


@pytest.mark.parametrize("count", [1, 3000])
def test_products_that_are_ready_are_queued(
    harness: Harness, scraper: psycopg.Connection, count: int
) -> None:
    insert(scraper, count)
    assert harness.touched() == count
    assert harness.touched() == 0


def test_products_that_become_ready_are_queued(harness: Harness, scraper: psycopg.Connection) -> None:
    insert(scraper, 3, status="pending")
    assert harness.touched() == 0
    scraper.execute("UPDATE raw_products SET image_status = 'collage_ready' WHERE id = 2")
    assert harness.touched() == 1
    harness.work()
    assert harness.state(2) == "synced"


@pytest.mark.parametrize("count", [3, 2000])
def test_only_what_really_changed_is_queued(
    harness: Harness, scraper: psycopg.Connection, count: int
) -> None:
    insert(scraper, count)
    harness.touched()
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    harness.owner.execute("UPDATE raw_products SET ximilar_status = 'synced'")
    harness.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, sku, url, content_hash)"
        " SELECT id, 'recognition', 'collection-of-the-tests', external_id, image_urls ->> 0,"
        " content_hash_v1(external_id, brand, name, category, price) FROM raw_products"
    )
    scraper.execute("UPDATE raw_products SET price = price, updated_at = now()")
    assert harness.touched() == 0
    scraper.execute("UPDATE raw_products SET price = 6 WHERE id <= 2")
    assert harness.touched() == 2


def test_a_product_touched_often_is_queued_once(harness: Harness, scraper: psycopg.Connection) -> None:
    insert(scraper, 1)
    for price in range(10):
        scraper.execute("UPDATE raw_products SET price = %s", [price])
    assert harness.touched() == 1
    scraper.execute("UPDATE raw_products SET price = 11")
    assert harness.touched() == 0


def test_a_scraper_that_goes_row_by_row_leaves_few_notes(
    harness: Harness, scraper: psycopg.Connection
) -> None:
    insert(scraper, 250)
    harness.touched()
    with scraper.transaction():
        for product in range(1, 251):
            scraper.execute("UPDATE raw_products SET price = 6 WHERE id = %s", [product])
    assert harness.value("SELECT count(*) FROM touched") == 2 * 3
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    assert harness.touched() == 250


def test_a_note_that_is_rolled_back_is_not_relied_on(harness: Harness, scraper: psycopg.Connection) -> None:
    insert(scraper, 3)
    harness.touched()
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    with scraper.transaction():
        scraper.execute("UPDATE raw_products SET price = 6 WHERE id = 1")
        with contextlib.suppress(psycopg.errors.DivisionByZero), scraper.transaction():
            scraper.execute("UPDATE raw_products SET price = 6 WHERE id = 2")
            scraper.execute("SELECT 1 / 0")
        scraper.execute("UPDATE raw_products SET price = 6 WHERE id = 3")
    assert harness.touched() == 3


def test_a_few_rows_far_apart_are_looked_at_and_no_others(
    harness: Harness, scraper: psycopg.Connection
) -> None:
    insert(scraper, 500)
    harness.touched()
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    scraper.execute("UPDATE raw_products SET price = 6 WHERE id IN (7, 444)")
    assert harness.rows("SELECT ids, first_id FROM touched") == [([7, 444], None)]
    assert harness.touched() == 2


def test_an_id_given_by_hand_below_the_others_is_found(harness: Harness, scraper: psycopg.Connection) -> None:
    harness.owner.execute("SELECT setval('raw_products_id_seq', 1000)")
    insert(scraper, 3)
    harness.touched()
    scraper.execute(
        "INSERT INTO raw_products (id, external_id, image_urls, image_status)"
        """ VALUES (5, 'BY HAND', '["https://photos.example.com/5.jpg"]', 'uploaded')"""
    )
    assert harness.touched() == 1
    harness.work()
    assert harness.state(5) == "synced"


def test_ids_given_by_hand_are_all_found_however_many(
    harness: Harness, scraper: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(touched, "CHUNK", 3)
    harness.owner.execute("SELECT setval('raw_products_id_seq', 1000)")
    insert(scraper, 1)
    harness.touched()
    scraper.execute(
        "INSERT INTO raw_products (id, external_id, image_urls, image_status)"
        """ SELECT n, 'BY HAND ' || n, '["https://photos.example.com/5.jpg"]', 'uploaded'"""
        "  FROM generate_series(1, 8) AS n"
    )
    assert harness.touched() == 8
    assert harness.value("SELECT count(*) FROM touched") == 0


def test_a_product_in_error_is_queued_once_its_row_says_something_else(
    harness: Harness, scraper: psycopg.Connection
) -> None:
    insert(scraper, 2)
    harness.ximilar.refused = {"https://photos.example.com/1.jpg", "https://photos.example.com/2.jpg"}
    harness.touched()
    harness.work()
    assert (harness.state(1), harness.state(2)) == ("error", "error")
    scraper.execute("UPDATE raw_products SET price = price, updated_at = now()")
    assert harness.touched() == 0
    scraper.execute(
        "UPDATE raw_products SET image_urls = '[\"https://photos.example.com/3.jpg\"]' WHERE id = 2"
    )
    assert harness.touched() == 1
    harness.work()
    assert (harness.state(1), harness.state(2)) == ("error", "synced")


def test_our_own_writes_are_not_noted(harness: Harness, scraper: psycopg.Connection) -> None:
    insert(scraper, 1)
    harness.touched()
    harness.work()
    assert harness.state(1) == "synced"
    assert harness.value("SELECT count(*) FROM touched") == 0


@pytest.mark.parametrize(
    "breakage",
    [
        "DROP TABLE touched",
        "REVOKE ALL ON touched FROM ximilar",
        "ALTER TABLE raw_products RENAME id TO number",
    ],
)
def test_a_failure_is_a_warning_and_the_scraper_goes_on(
    harness: Harness, scraper: psycopg.Connection, breakage: str
) -> None:
    warnings: list[str] = []
    scraper.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
    harness.owner.execute(breakage.encode())
    insert(scraper, 2)
    scraper.execute("UPDATE raw_products SET price = 6")
    assert harness.value("SELECT count(*) FROM raw_products WHERE price = 6") == 2
    assert warnings
    assert all(warning.startswith("ximilar: ") for warning in warnings)


def test_it_goes_away_without_a_trace(harness: Harness, scraper: psycopg.Connection) -> None:
    harness.owner.execute(script("trigger_install.sql"))
    harness.owner.execute(script("trigger_remove.sql"))
    harness.owner.execute(script("trigger_remove.sql"))
    insert(scraper, 1)
    assert harness.value("SELECT count(*) FROM touched") == 0
    assert harness.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'raw_products'::regclass") == 0


def test_a_long_range_is_worked_off_in_chunks(harness: Harness, scraper: psycopg.Connection) -> None:
    insert(scraper, 12_000)
    assert harness.touched() == 12_000
    assert harness.value("SELECT count(DISTINCT lock) FROM procrastinate_jobs") == 12_000
