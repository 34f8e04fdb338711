"""Figures of runs: how the last went, what a week usually brings, how far an open one is."""

from __future__ import annotations

import psycopg
import pytest

from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.integration.metrics.asking import ask


@pytest.mark.parametrize(
    ("weeks", "synced", "usual"),
    [
        ([], None, None),
        ([(0, 50)], 50, None),
        ([(0, 50), (0.1, 7), (7, 100), (14, 300), (21, 200)], 57, 200),
        # A run by hand in the middle of a week belongs to the week that began on Sunday.
        ([(0, 3), (3, 90), (10, 100), (17, 120)], 93, 110),
        ([(0, 0), *((7 * week, 100) for week in range(1, 12))], 0, 100),
    ],
)
def test_a_week_is_compared_with_the_weeks_before(
    database: Database,
    owner: psycopg.Connection,
    weeks: list[tuple[float, int]],
    synced: float | None,
    usual: float | None,
) -> None:
    owner.cursor().executemany(
        """
        INSERT INTO ximilar.runs (kind, started_at, completed_at, fetched, synced, errors, status)
        VALUES ('sync', now() - make_interval(secs => %(ago)s * 86400), now() - make_interval(secs => %(ago)s * 86400),
                %(count)s, %(count)s, 0, 'success')
        """,
        [{"ago": days, "count": count} for days, count in weeks],
    )
    found = ask(database.url)
    assert found.get("week_synced_products") == synced
    assert found.get("week_usual_synced_products") == usual


def test_a_run_that_missed_little_went_well_and_one_that_missed_much_did_not(
    database: Database, owner: psycopg.Connection
) -> None:
    run = """
        INSERT INTO ximilar.runs (kind, started_at, completed_at, fetched, synced, errors, status)
        VALUES ('sync', to_timestamp(%s), to_timestamp(%s), 100, %s, 100 - %s, 'partial')
    """
    schema_made = ask(database.url)["run_last_success_timestamp_seconds(sync)"]
    assert isinstance(schema_made, float)
    owner.execute(run, [1000, 1060, 94, 94])
    assert ask(database.url)["run_last_success_timestamp_seconds(sync)"] == schema_made
    owner.execute(run, [2000, 2060, 95, 95])
    owner.execute(run, [3000, 3060, 10, 10])
    found = ask(database.url)
    assert found["run_last_success_timestamp_seconds(sync)"] == 2060
    assert found["run_last_completed_timestamp_seconds(sync)"] == 3060
    assert found["run_last_error_products(sync)"] == 90
    assert found["run_last_duration_seconds(sync)"] == 60
    assert found["run_last_status(sync,partial)"] == 1
    assert "run_last_status(retry,partial)" not in found


def test_an_open_run_shows_its_progress(database: Database, catalogue: Catalogue) -> None:
    run = catalogue.open_run()
    for outcome in ("synced", "synced", "error", "gone", None):
        product = catalogue.add(1).id
        catalogue.queue(product, run)
        catalogue.owner.execute(
            "UPDATE run_products SET outcome = %s WHERE product_id = %s", [outcome, product]
        )
    found = ask(database.url)
    shown = {
        name: found[f"run_open_products(sync,{name})"] for name in ("synced", "errors", "others", "remaining")
    }
    assert shown == {"synced": 2, "errors": 1, "others": 1, "remaining": 1}
