"""A drain opens one run after the other until nothing is left."""

from __future__ import annotations

from procrastinate_app import drains, runs
from tests.integration.reconcile.harness import Harness, urls


def begin(harness: Harness, kind: runs.Kind = "sync", batch_size: int = 2) -> int | None:
    harness.variables["BATCH_SIZE"] = str(batch_size)
    drain: int | None = harness.run(
        drains.begin(harness.database, kind, batch_size=batch_size, max_seconds=3600)
    )
    return drain


def sweep(harness: Harness) -> None:
    harness.run(runs.sweep(harness.database, 3600))
    harness.run(drains.sweep(harness.database, batch_size=2))


def ended(harness: Harness) -> list[tuple[object, ...]]:
    return harness.rows("SELECT end_reason FROM drains ORDER BY id")


def test_it_goes_on_until_nothing_is_left_with_a_log_a_run(harness: Harness) -> None:
    for number in range(5):
        harness.add(f"S{number}", urls(f"S{number}", 1))

    begin(harness)
    harness.work()

    assert harness.rows("SELECT fetched, synced, status FROM runs ORDER BY id") == [
        (2, 2, "success"),
        (2, 2, "success"),
        (1, 1, "success"),
    ]
    assert harness.value("SELECT count(*) FROM scraper_logs") == 3
    assert ended(harness) == [("drained",)]
    progress = harness.run(harness.database.one("drain_progress", drain_id=1))
    assert (progress["fetched"], progress["synced"], progress["remaining"], progress["runs"]) == (5, 5, 0, 3)
    assert progress["status"] == "success"


def test_an_empty_one_is_one_successful_run(harness: Harness) -> None:
    begin(harness)
    assert harness.rows("SELECT status, records_fetched FROM scraper_logs") == [("success", 0)]
    assert ended(harness) == [("drained",)]


def test_a_second_one_of_its_kind_is_refused(harness: Harness) -> None:
    harness.add("A", urls("A", 1))
    assert begin(harness) == 1
    assert begin(harness) is None


def test_what_comes_in_behind_it_is_found_before_it_ends(harness: Harness) -> None:
    for number in range(3):
        harness.add(f"S{number}", urls(f"S{number}", 1), id=100 + number)
    begin(harness)
    harness.add("LOW", urls("LOW", 1), id=5)
    harness.work()

    assert harness.state(5) == "synced"
    assert ended(harness) == [("drained",)]


def test_a_product_whose_job_is_cancelled_is_not_queued_again(harness: Harness) -> None:
    for number in range(5):
        harness.add(f"S{number}", urls(f"S{number}", 1))
    begin(harness)
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'cancelled' WHERE lock = 'product:1'")
    harness.work()
    sweep(harness)
    harness.work()

    assert ended(harness) == [("drained",)]
    assert harness.value("SELECT count(*) FROM procrastinate_jobs WHERE lock = 'product:1'") == 1


def test_hopeless_products_do_not_starve_the_rest_of_a_retry(harness: Harness) -> None:
    for number in range(6):
        harness.add(f"S{number}", urls(f"S{number}", 1), ximilar_status="error", updated_at="2026-01-01")
    harness.ximilar.refused = {url for number in range(3) for url in urls(f"S{number}", 1)}
    # Whoever keeps the row's time old would have it selected again and again.
    harness.owner.execute(
        """
        CREATE FUNCTION public.old() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.updated_at := '2026-01-01'; RETURN NEW; END $$
        """
    )
    harness.owner.execute(
        "CREATE TRIGGER old BEFORE UPDATE ON raw_products FOR EACH ROW EXECUTE FUNCTION public.old()"
    )

    begin(harness, "retry")
    harness.work()

    assert harness.rows("SELECT ximilar_status, count(*) FROM raw_products GROUP BY 1 ORDER BY 1") == [
        ("error", 3),
        ("synced", 3),
    ]
    assert ended(harness) == [("drained",)]


def test_it_waits_while_the_account_is_paused_and_the_sweep_goes_on(harness: Harness) -> None:
    for number in range(4):
        harness.add(f"S{number}", urls(f"S{number}", 1))
    begin(harness)
    harness.owner.execute(
        "UPDATE throttle SET pause_cause = 'rate_limited', paused_until = now() - interval '1 s'"
    )
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    # The first call was the probe and ended the pause; another one begins before the run is over.
    harness.owner.execute("UPDATE throttle SET pause_cause = 'rate_limited', paused_until = 'infinity'")
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'cancelled' WHERE status = 'todo'")
    sweep(harness)
    assert ended(harness) == [(None,)]
    assert harness.value("SELECT count(*) FROM runs") == 1

    harness.calm()
    sweep(harness)
    harness.work()

    assert ended(harness) == [("drained",)]
    assert harness.value("SELECT count(*) FROM raw_products WHERE ximilar_status = 'synced'") == 3


def test_one_without_progress_ends(harness: Harness) -> None:
    for number in range(4):
        harness.add(f"S{number}", urls(f"S{number}", 1))
    begin(harness)
    harness.owner.execute("UPDATE procrastinate_jobs SET status = 'cancelled' WHERE status = 'todo'")
    sweep(harness)
    assert ended(harness) == [("no_progress",)]


def test_retries_and_operators_come_before_it(harness: Harness) -> None:
    for number in range(3):
        harness.add(f"S{number}", urls(f"S{number}", 1))
    begin(harness)
    harness.begin("sync")
    job = harness.next_job()
    assert harness.value("SELECT args ->> 'product_id' FROM procrastinate_jobs WHERE id = %s", [job]) == "3"
