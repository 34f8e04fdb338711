"""Rows turned into jobs: all of them, none twice, and no more than asked for."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from procrastinate_app import runs
from procrastinate_app.database import open_database
from procrastinate_app.queries import sql
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_worker import connect


def begin(url: str, kind: runs.Kind = "sync", *, limit: int = 1000, times: int = 1) -> list[int]:
    """Open so many runs at the same time; their ids."""

    async def run() -> list[int]:
        async with open_database(url, max_size=4) as database:
            begun = (runs.begin(database, kind, batch_size=limit, max_seconds=3600) for _ in range(times))
            return await asyncio.gather(*begun)

    return asyncio.run(run())


def queued(catalogue: Catalogue) -> list[int]:
    return [job["args"]["product_id"] for job in catalogue.jobs() if job["status"] == "todo"]


def test_thousands_in_one_statement(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.add_many(5000)
    (run_id,) = begin(staging_url, limit=10_000)
    assert queued(catalogue) == list(range(1, 5001))
    (run,) = catalogue.runs()
    assert (run["id"], run["fetched"], run["completed_at"]) == (run_id, 5000, None)
    job = catalogue.jobs(17)[0]
    assert job["args"] == {"product_id": 17, "run_id": run_id}
    assert (job["queue_name"], job["task_name"], job["queueing_lock"]) == ("products", "sync_product", None)


def test_twice_enqueues_nothing_twice(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.add_many(100)
    begin(staging_url)
    begin(staging_url)
    assert len(queued(catalogue)) == 100
    assert [run["fetched"] for run in catalogue.runs()] == [100, 0]


def test_at_once_enqueue_nothing_twice(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.add_many(500)
    begin(staging_url, times=4)
    assert queued(catalogue) == list(range(1, 501))
    assert sum(run["fetched"] for run in catalogue.runs()) == 500


def test_the_batch_size_is_kept_and_counts_what_was_enqueued(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.add_many(10)
    begin(staging_url, limit=4)
    assert queued(catalogue) == [1, 2, 3, 4]
    begin(staging_url, limit=4)
    assert queued(catalogue) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [run["fetched"] for run in catalogue.runs()] == [4, 4]


def test_a_product_whose_job_is_running_gets_one_waiting(database: Database, catalogue: Catalogue) -> None:
    product = catalogue.add()
    catalogue.hold(product.id)
    begin(database.url)
    begin(database.url)
    assert catalogue.statuses(product.id) == ["doing", "todo"]


@pytest.mark.parametrize(
    "columns",
    [
        *({"ximilar_status": status} for status in ("synced", "error", None)),
        *({"image_status": status} for status in ("pending", "failed", None)),
    ],
)
def test_what_ximilar_sync_leaves_alone(
    database: Database, catalogue: Catalogue, columns: dict[str, str | None]
) -> None:
    catalogue.add(**columns)
    begin(database.url)
    assert queued(catalogue) == []


@pytest.mark.parametrize("status", ["uploaded", "collage_ready"])
def test_what_ximilar_sync_takes(database: Database, catalogue: Catalogue, status: str) -> None:
    product = catalogue.add(image_status=status)
    begin(database.url)
    assert queued(catalogue) == [product.id]


def test_what_ximilar_retry_takes(database: Database, catalogue: Catalogue) -> None:
    now = datetime.datetime.now(datetime.UTC)
    old, late = now - datetime.timedelta(hours=6, minutes=1), now - datetime.timedelta(hours=5, minutes=59)
    taken = catalogue.add(ximilar_status="error", updated_at=old)
    catalogue.add(ximilar_status="error", updated_at=late)
    catalogue.add(ximilar_status="error", updated_at=None)
    catalogue.add(ximilar_status="pending", updated_at=old)
    begin(database.url, "retry")
    assert queued(catalogue) == [taken.id]


def test_a_row_edited_during_its_job_is_queued_once(database: Database, catalogue: Catalogue) -> None:
    product = catalogue.add()
    catalogue.hold(product.id)
    with connect(database.url) as connection:
        for _ in range(2):
            connection.execute(sql("enqueue_again").encode(), {"product_id": product.id, "run_id": None})
    assert catalogue.statuses(product.id) == ["doing", "todo"]


def resend(url: str, sku: str | None) -> int:
    with connect(url) as connection:
        row = connection.execute(sql("enqueue_resend").encode(), {"sku": sku}).fetchone()
        assert row is not None
        return int(row[0])


def test_resend_takes_every_row_of_a_sku_whatever_its_state(database: Database, catalogue: Catalogue) -> None:
    same = [catalogue.add(external_id="SKU-X", ximilar_status=state) for state in ("synced", "error")]
    catalogue.add()
    assert resend(database.url, "SKU-X") == 2
    assert queued(catalogue) == [product.id for product in same]
    assert resend(database.url, "no such") == 0


def test_resend_all_takes_what_is_synced(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.add_many(300, ximilar_status="synced")
    catalogue.add()
    assert resend(staging_url, None) == 300
    assert len(queued(catalogue)) == 300


def test_resend_makes_use_of_a_job_that_waits(database: Database, catalogue: Catalogue) -> None:
    product = catalogue.add()
    begin(database.url)
    assert resend(database.url, product.sku) == 1
    (job,) = catalogue.jobs(product.id)
    assert job["args"].keys() == {"product_id", "run_id", "sent_before"}


def test_resend_leaves_a_removal_that_waits_alone(database: Database, catalogue: Catalogue) -> None:
    """remove_photos knows no sent_before: told so, it would fail each time."""
    product = catalogue.add()
    removal, arguments = catalogue.queue(product.id), {"product_id": product.id}
    catalogue.owner.execute("UPDATE procrastinate_jobs SET task_name = 'remove_photos'")
    assert resend(database.url, product.sku) == 1
    told = {job["id"]: job["args"] for job in catalogue.jobs(product.id)}
    assert told.pop(removal) == arguments
    (again,) = told.values()
    assert again.keys() == {"product_id", "sent_before"}


def test_a_zero_run_ends_at_once_as_a_success(staging_url: str, catalogue: Catalogue) -> None:
    begin(staging_url)
    (log,) = catalogue.logged()
    assert (log["scraper_name"], log["status"]) == ("ximilar_sync", "success")
    assert (log["records_fetched"], log["records_new"], log["records_errors"]) == (0, 0, 0)
    assert log["error_message"] is None
    assert log["completed_at"] >= log["started_at"]
