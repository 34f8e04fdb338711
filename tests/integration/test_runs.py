"""Runs: how they end, what they count, and the one row that others read."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from procrastinate_app import drains, runs
from procrastinate_app.database import open_database
from procrastinate_app.retry import PutBack
from tests.fix_catalogue import Catalogue, Row
from tests.fix_postgres import Database
from tests.fix_upstream import Upstream, code
from tests.fix_worker import Worker

HOUR = 3600


def sweep(url: str, max_seconds: int = HOUR) -> None:
    async def run() -> None:
        async with open_database(url, max_size=2) as database:
            await runs.sweep(database, max_seconds)

    asyncio.run(run())


def facts(log: Row) -> tuple[str, int, int, int, str | None]:
    return (
        log["status"],
        log["records_fetched"],
        log["records_new"],
        log["records_errors"],
        log["error_message"],
    )


def settle(catalogue: Catalogue, run_id: int, outcome: str, count: int = 1) -> None:
    """Give products on their way an outcome, as if their jobs had ended."""
    catalogue.owner.execute(
        """
        WITH next AS (SELECT product_id FROM run_products WHERE run_id = %s AND outcome IS NULL
                       ORDER BY product_id LIMIT %s)
        UPDATE run_products SET outcome = %s WHERE product_id IN (SELECT product_id FROM next)
        """,
        [run_id, count, outcome],
    )


def run_of(catalogue: Catalogue, products: int) -> int:
    run_id = catalogue.open_run()
    for _ in range(products):
        catalogue.queue(catalogue.add().id, run_id)
    return run_id


@pytest.mark.parametrize("command", ["ximilar_sync", "ximilar_retry"])
def test_a_run_from_its_task_to_its_log(
    catalogue: Catalogue, worker_anywhere: Worker, upstream: Upstream, command: str
) -> None:
    retry = command == "ximilar_retry"
    columns = {"ximilar_status": "error", "updated_at": "2020-01-01"} if retry else {}
    products = [catalogue.add(2, **columns) for _ in range(5)]
    upstream.always(products[1].urls[0], code(400, "unreadable"))
    catalogue.owner.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('control', %s)", [command]
    )
    worker_anywhere.until(catalogue.logged)
    (log,) = catalogue.logged()
    assert facts(log) == ("partial", 5, 4, 1, None)
    assert log["scraper_name"] == "ximilar_sync"
    seconds = (log["completed_at"] - log["started_at"]).total_seconds()
    assert float(log["duration_seconds"]) == pytest.approx(seconds, abs=0.01)
    (run,) = catalogue.runs()
    assert (run["kind"], run["status"]) == ("retry" if retry else "sync", "partial")
    assert len(upstream.requests) == 10


def tick(catalogue: Catalogue, **arguments: object) -> int:
    """Add a waiting `ximilar_sync`; its job's id."""
    job: int = catalogue.value(
        """
        INSERT INTO procrastinate_jobs (queue_name, task_name, args)
        VALUES ('control', 'ximilar_sync', %s) RETURNING id
        """,
        [Jsonb(arguments)],
    )
    return job


def test_a_tick_that_cannot_write_its_row_opens_no_second_run(
    catalogue: Catalogue, worker_anywhere: Worker
) -> None:
    job = "SELECT status::text, attempts FROM procrastinate_jobs WHERE id = %s"
    ticked = tick(catalogue)
    catalogue.owner.execute("REVOKE INSERT ON scraper_logs FROM ximilar")
    worker_anywhere.until(lambda: catalogue.one(job, [ticked])["attempts"] >= 2)
    assert catalogue.logged() == []
    catalogue.owner.execute("GRANT INSERT ON scraper_logs TO ximilar")
    worker_anywhere.until(lambda: catalogue.one(job, [ticked])["status"] == "succeeded")
    assert [facts(log) for log in catalogue.logged()] == [("success", 0, 0, 0, None)]
    assert len(catalogue.runs()) == 1


@pytest.mark.parametrize("drain", [False, True])
@pytest.mark.parametrize("products", [0, 3])
def test_a_tick_whose_worker_died_after_it_opened_its_run_opens_no_second_one(
    catalogue: Catalogue, worker: Worker, products: int, drain: bool
) -> None:
    catalogue.add_many(products)
    ticked = tick(catalogue, drain=drain)
    catalogue.start(ticked)
    begin(worker.url, runs.Opener(ticked, 0), drain=drain)
    # An empty run has ended by now; its worker may as well have died before that.
    catalogue.owner.execute("TRUNCATE scraper_logs")
    catalogue.owner.execute("UPDATE runs SET completed_at = NULL")
    catalogue.owner.execute("UPDATE drains SET ended_at = NULL")
    unfinished = (
        "SELECT FROM procrastinate_jobs WHERE status <> 'succeeded' AND (id = %s OR queue_name = 'products')"
    )
    worker.until(lambda: catalogue.logged() and not catalogue.all(unfinished, [ticked]))
    assert [facts(log)[:4] for log in catalogue.logged()] == [("success", products, products, 0)]
    assert len(catalogue.runs()) == 1


def test_a_life_of_a_job_that_was_taken_over_opens_no_run(catalogue: Catalogue, worker: Worker) -> None:
    ticked = tick(catalogue)
    catalogue.start(ticked)
    catalogue.owner.execute("UPDATE procrastinate_jobs SET attempts = 1 WHERE id = %s", [ticked])
    catalogue.add_many(2)
    for drain in (False, True):
        with pytest.raises(PutBack):
            begin(worker.url, runs.Opener(ticked, 0), drain=drain)
    assert (catalogue.runs(), catalogue.jobs()) == ([], [])
    begin(worker.url, runs.Opener(ticked, 1))
    with pytest.raises(PutBack):
        begin(worker.url, runs.Opener(ticked, 1))
    assert [run["fetched"] for run in catalogue.runs()] == [2]


def begin(url: str, opener: runs.Opener, *, drain: bool = False) -> None:
    """Open a run as a life of a tick's job does."""

    async def run() -> None:
        async with open_database(url, max_size=2) as database:
            opens = drains.begin if drain else runs.begin
            await opens(database, "sync", batch_size=1000, max_seconds=HOUR, opener=opener)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({"synced": 4}, ("success", 4, 4, 0, None)),
        ({"synced": 3, "error": 1}, ("partial", 4, 3, 1, None)),
        ({"error": 4}, ("error", 4, 0, 4, None)),
        ({"gone": 1, "synced": 3}, ("partial", 4, 3, 0, "1 gone")),
        (
            {"not_ready": 2, "cancelled": 1, "failed": 1},
            ("error", 4, 0, 0, "2 not ready; 1 cancelled; 1 failed"),
        ),
    ],
)
def test_status_and_counts(
    database: Database,
    catalogue: Catalogue,
    outcomes: dict[str, int],
    expected: tuple[str, int, int, int, str | None],
) -> None:
    run_id = run_of(catalogue, 4)
    for outcome, count in outcomes.items():
        settle(catalogue, run_id, outcome, count)
    sweep(database.url)
    (log,) = catalogue.logged()
    assert facts(log) == expected


def test_a_run_with_a_product_on_its_way_is_not_over(database: Database, catalogue: Catalogue) -> None:
    run_id = run_of(catalogue, 2)
    settle(catalogue, run_id, "synced")
    sweep(database.url)
    assert catalogue.logged() == []
    assert catalogue.runs()[0]["completed_at"] is None


def test_after_its_longest_time_a_run_is_closed_and_its_jobs_go_on(
    catalogue: Catalogue, worker: Worker
) -> None:
    run_id = run_of(catalogue, 3)
    settle(catalogue, run_id, "synced")
    catalogue.owner.execute("UPDATE runs SET started_at = now() - interval '2 hours'")
    sweep(worker.url)
    (log,) = catalogue.logged()
    assert facts(log) == ("partial", 3, 1, 0, "2 postponed: not begun")
    worker.until(lambda: set(catalogue.statuses()) == {"succeeded"})
    assert len(catalogue.logged()) == 1
    assert catalogue.runs()[0]["synced"] == 1


def test_what_was_postponed_is_named_with_its_code(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    run_id = run_of(catalogue, 100)
    upstream.always("*", code(429, Retry_After="200"))
    worker.variables["WORKER_CONCURRENCY"] = "2"
    worker.until(lambda: catalogue.throttle()["is_paused"] and "doing" not in catalogue.statuses())
    catalogue.owner.execute("UPDATE runs SET started_at = now() - interval '7 hours'")
    sweep(worker.url, 6 * HOUR)
    (log,) = catalogue.logged()
    assert facts(log) == ("error", 100, 0, 0, "100 postponed: 429")
    assert catalogue.runs()[0]["id"] == run_id


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("UPDATE procrastinate_jobs SET status = 'cancelled'", "cancelled"),
        ("UPDATE procrastinate_jobs SET status = 'failed'", "failed"),
        ("DELETE FROM procrastinate_jobs", "vanished"),
    ],
)
def test_products_whose_job_is_dead_do_not_keep_a_run_open(
    database: Database, catalogue: Catalogue, end: str, outcome: str
) -> None:
    run_of(catalogue, 2)
    catalogue.owner.execute(end.encode())
    sweep(database.url)
    (log,) = catalogue.logged()
    assert facts(log) == ("error", 2, 0, 0, f"2 {outcome}")


def test_many_closers_write_one_row(staging_url: str, catalogue: Catalogue) -> None:
    run_id = run_of(catalogue, 1)
    settle(catalogue, run_id, "synced")

    async def close() -> None:
        async with open_database(staging_url, max_size=8) as database:
            await asyncio.gather(*(runs.close_if_over(database, run_id, HOUR) for _ in range(8)))

    closers = [threading.Thread(target=asyncio.run, args=(close(),)) for _ in range(2)]
    for thread in closers:
        thread.start()
    for thread in closers:
        thread.join()
    assert len(catalogue.logged()) == 1


def test_a_product_edited_during_its_run_is_counted_once(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add()
    run_id = catalogue.open_run()
    ticket = catalogue.hold(product.id, run_id)
    stored = code(200)

    def edit_and_store(handler: Any) -> None:
        edit_elsewhere(worker, product.id)
        stored(handler)

    upstream.once(product.urls[0], edit_and_store)
    assert worker.sync(ticket) == "moved"
    assert catalogue.runs()[0]["completed_at"] is None
    catalogue.owner.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', false)", [ticket.job_id])
    sweep(worker.url)
    assert catalogue.logged() == []
    worker.until(catalogue.logged)
    (log,) = catalogue.logged()
    assert facts(log) == ("success", 1, 1, 0, None)


def edit_elsewhere(worker: Worker, product: int) -> None:
    """Edit a row from the upstream's thread, over a connection of its own."""
    info = worker.catalogue.owner.info
    with psycopg.connect(info.dsn, password=info.password, autocommit=True) as connection:
        connection.execute("UPDATE raw_products SET name = 'edited' WHERE id = %s", [product])


def test_a_product_deleted_during_its_run_ends_it(catalogue: Catalogue, worker: Worker) -> None:
    product = catalogue.add()
    run_id = catalogue.open_run()
    catalogue.queue(product.id, run_id)
    catalogue.owner.execute("DELETE FROM raw_products")
    worker.until(catalogue.logged)
    assert facts(catalogue.logged()[0]) == ("error", 1, 0, 0, "1 gone")


def test_a_job_without_a_run_writes_no_log(catalogue: Catalogue, worker: Worker) -> None:
    catalogue.queue(catalogue.add().id)
    worker.until(lambda: catalogue.statuses() == ["succeeded"])
    sweep(worker.url)
    assert (catalogue.logged(), catalogue.runs()) == ([], [])


def test_a_product_in_two_runs_counts_in_both(catalogue: Catalogue, worker: Worker) -> None:
    product = catalogue.add()
    for _ in range(2):
        catalogue.queue(product.id, catalogue.open_run())
    worker.until(lambda: len(catalogue.logged()) == 2)
    assert [facts(log)[:4] for log in catalogue.logged()] == [("success", 1, 1, 0)] * 2
