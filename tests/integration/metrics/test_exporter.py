"""The exporter as a process over a real database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ops.local.postgres import Cluster
from procrastinate_app import migrations, settings
from procrastinate_app.metrics import groups
from procrastinate_app.metrics.samples import Distribution
from procrastinate_app.queries import SQL_FOLDER
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_system import COLLECTION
from tests.integration.metrics.asking import ask
from tests.integration.metrics.conftest import Exporter

ATTEMPT = """
    INSERT INTO attempts (at, product_id, outcome, cause, photos_sent, seconds)
    SELECT %s, n, %s, %s, 2, %s FROM generate_series(1, %s) AS n
"""


def store(owner: psycopg.Connection, product: int, *urls: str, edited: bool = False) -> None:
    """Write photos of a product into the ledger, as sent with its present content or with another."""
    owner.cursor().executemany(
        """
        INSERT INTO ximilar.photos (product_id, profile, collection_id, url, content_hash)
        SELECT %(product)s, 'recognition', %(collection)s, %(url)s,
               CASE WHEN %(edited)s THEN md5('another')::uuid
                    ELSE (SELECT ximilar.content_hash_v1(external_id, brand, name, category, price)
                            FROM raw_products WHERE id = %(product)s) END
        """,
        [{"product": product, "collection": COLLECTION, "url": url, "edited": edited} for url in urls],
    )


def test_it_tells_the_state_of_products_jobs_and_workers(
    start_exporter: Callable[..., Exporter], catalogue: Catalogue
) -> None:
    catalogue.add_many(3)
    catalogue.add(1, ximilar_status="error")
    catalogue.add(1, image_status="queued")
    waiting = catalogue.add(1)
    catalogue.queue(waiting.id)
    catalogue.owner.execute(
        "INSERT INTO workers (id, host, pid, process, version, concurrency, listening)"
        " VALUES (gen_random_uuid(), 'a', 7, 'x', '1', 8, true)"
    )
    exporter = start_exporter(XIMILAR_COLLECTION_CAPACITY="1000")
    exporter.wait_for('ximilar_products{state="pending"}', 5)
    found = exporter.samples()
    assert found['ximilar_products{state="error"}'] == 1
    assert found["ximilar_products_ready"] == 4
    assert found['ximilar_jobs{status="todo",task="sync_product"}'] == 1
    assert 0 < found['ximilar_queue_oldest_ready_seconds{queue="products"}'] < 60
    assert found["ximilar_workers_alive"] == 1
    assert found["ximilar_collection_capacity_photos"] == 1000
    assert found["ximilar_up"] == 1


def test_it_says_that_the_database_is_away_and_comes_back(
    exporter: Exporter, cluster: Cluster, database: Database
) -> None:
    exporter.wait_for("ximilar_up", 1)
    cluster.stop()
    try:
        exporter.wait_for("ximilar_up", 0)
        figures = {name for name in exporter.samples() if name.startswith("ximilar_")}
        assert all(
            name.startswith(("ximilar_up", "ximilar_collect_", "ximilar_build_info")) for name in figures
        )
    finally:
        cluster.start()
    exporter.wait_for("ximilar_up", 1)
    failures = exporter.log.read_text().count('"collecting_failed"')
    assert 1 <= failures <= 2 * len(groups.GROUPS)


def test_it_starts_without_a_database(start_exporter: Callable[..., Exporter]) -> None:
    exporter = start_exporter(STAGING_DB_URL="postgresql://nobody:secretly@127.0.0.1:1/none")
    assert exporter.samples()["ximilar_up"] == 0
    assert "secretly" not in exporter.log.read_text()


def test_it_asks_through_pgbouncer_in_transaction_mode(pooled: str, catalogue: Catalogue) -> None:
    catalogue.add_many(2)
    assert ask(pooled)["products(pending)"] == 2


def test_a_scrape_does_not_wait_for_a_lock(exporter: Exporter, owner: psycopg.Connection) -> None:
    exporter.wait_for("ximilar_up", 1)
    with owner.transaction():
        owner.execute("LOCK TABLE ximilar.throttle, public.raw_products IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        for _ in range(20):
            exporter.samples()
        assert time.monotonic() - begun < 4


def test_pruning_lowers_no_counter(database: Database, conn: psycopg.Connection) -> None:
    conn.execute(ATTEMPT, ["2020-01-01", "synced", None, 0.3, 5])
    conn.execute(ATTEMPT, ["2020-01-01", "error", "refused", None, 2])
    before = ask(database.url)
    conn.execute("DELETE FROM attempts")
    conn.execute(ATTEMPT, ["2020-01-01", "synced", None, 0.1, 1])
    after = ask(database.url)
    assert before["attempts_total(synced,none)"] == 5
    assert after["attempts_total(synced,none)"] == 6
    assert after["attempts_total(error,refused)"] == 2
    assert after["photos_sent_total"] == 16
    times = after["attempt_duration_seconds(synced)"]
    assert isinstance(times, Distribution)
    # A bound belongs to its bucket, as `le` says.
    assert times.buckets[:3] == [("0.1", 1.0), ("0.25", 1.0), ("0.5", 6.0)]
    assert times.sum == pytest.approx(1.6)
    assert "attempt_duration_seconds(error)" not in after


def test_attempts_of_before_are_counted_by_the_migration(
    database: Database, owner: psycopg.Connection
) -> None:
    owner.execute("SET search_path = ximilar, public")
    owner.execute("DROP TABLE attempt_totals CASCADE")
    owner.execute("DROP TRIGGER count_attempts ON attempts")
    owner.execute("DROP FUNCTION count_attempts_v1, attempt_bucket_v1, attempt_bounds_v1")
    owner.execute("DELETE FROM schema_version WHERE name = '003_metrics.sql'")
    owner.execute(ATTEMPT, ["2020-01-01", "synced", None, 0.3, 5])
    assert "003_metrics.sql" in migrations.migrate(database.owner_url)
    owner.execute("GRANT ALL ON attempt_totals TO ximilar")
    owner.execute(ATTEMPT, ["2020-01-01", "synced", None, 0.3, 1])
    assert ask(database.url)["attempts_total(synced,none)"] == 6


def test_attempts_written_at_one_moment_are_all_counted(database: Database) -> None:
    def write() -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            for _ in range(25):
                connection.execute(ATTEMPT, ["2020-01-01", "synced", None, 0.3, 2])
                connection.execute(ATTEMPT, ["2020-01-01", "error", "refused", 0.3, 2])

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ask(database.url)
    assert found["attempts_total(synced,none)"] == found["attempts_total(error,refused)"] == 400


def test_a_pause_is_told_with_its_cause(database: Database, owner: psycopg.Connection) -> None:
    owner.execute("SET search_path = ximilar, public")
    owner.execute("SELECT pause_v1('token_refused', 401, 'Invalid token.', 300)")
    found = ask(database.url)
    assert found["paused(token_refused)"] == 1
    assert found["paused(rate_limited)"] == 0
    ends, began = found["pause_end_timestamp_seconds"], found["pause_start_timestamp_seconds"]
    assert isinstance(ends, float)
    assert isinstance(began, float)
    assert ends - began == pytest.approx(300, abs=1)
    owner.execute("UPDATE throttle SET paused_until = 'infinity', rate = 2")
    found = ask(database.url)
    assert found["pause_end_timestamp_seconds"] == float("inf")
    assert found["throttle_limit_requests_per_second"] == 2


def test_the_age_of_a_queue_counts_from_when_a_job_could_start(
    database: Database, catalogue: Catalogue
) -> None:
    late, early, soon = (catalogue.queue(catalogue.add(1).id) for _ in range(3))
    owner = catalogue.owner
    owner.execute("UPDATE procrastinate_events SET at = now() - interval '1 h' WHERE job_id = %s", [early])
    owner.execute(
        "UPDATE procrastinate_events SET at = now() - interval '9 h'  WHERE job_id IN (%s, %s)", [late, soon]
    )
    owner.execute("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '2 h' WHERE id = %s", [late])
    owner.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 h' WHERE id = %s", [soon])
    assert ask(database.url)["queue_oldest_ready_seconds(products)"] == pytest.approx(7200, abs=30)


def test_a_job_whose_worker_is_gone_is_stalled(database: Database, catalogue: Catalogue) -> None:
    assert ask(database.url)["jobs_stalled"] == 0
    catalogue.hold(catalogue.add(1).id)
    assert ask(database.url)["jobs_stalled"] == 1


def test_drift_is_found_on_both_sides(database: Database, catalogue: Catalogue) -> None:
    owner = catalogue.owner
    known, edited, unknown, unlisted = (catalogue.add(2, ximilar_status="synced") for _ in range(4))
    strange = catalogue.add(None, ximilar_status="synced", image_urls=Jsonb({"not": "an array"}))
    store(owner, known.id, *known.urls)
    store(owner, edited.id, *edited.urls, edited=True)
    store(owner, unlisted.id, *unlisted.urls, "https://photos.example.com/old.jpg")
    store(owner, strange.id, "https://photos.example.com/strange.jpg")
    store(owner, 999_999, "https://photos.example.com/gone.jpg")
    found = ask(database.url)
    assert found["drift_products(unrecorded)"] == 1
    assert found["drift_products(edited)"] == 1
    assert found["drift_photos(orphaned)"] == 1
    assert found["drift_photos(unlisted)"] == 1
    assert found["collection_photos"] == 9
    assert unknown.id
    assert ask(database.url, collection="another")["collection_photos"] == 0
    assert ask(database.url, collection="")["collection_photos"] == 9


def test_nothing_it_asks_can_write(database: Database) -> None:
    environ = {"STAGING_DB_URL": database.url}
    read = settings.Settings.from_env(environ, settings.DATABASE)
    writing = groups.Group("live", 1, 5, {"forget_workers": lambda rows: iter(())})
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        groups.ask(read, writing)


def test_every_statement_of_the_file_is_asked() -> None:
    text = (SQL_FOLDER / "queries/metrics.sql").read_text()
    named = {line.removeprefix("-- name: ") for line in text.splitlines() if line.startswith("-- name: ")}
    asked = {name for group in groups.GROUPS for name in group.statements}
    assert named - asked == {"metrics_transaction", "metrics_timeout"}
