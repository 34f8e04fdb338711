"""What is old enough is forgotten; the rest, and everything unfinished, is kept."""

from __future__ import annotations

import asyncio

import pytest

from procrastinate_app import pruning
from procrastinate_app.database import open_database
from tests.fix_catalogue import Catalogue

OLD, NEW = "8 days", "6 days"


def prune(url: str, *, jobs_days: int = 7, history_days: int = 400) -> dict[str, int]:
    async def run() -> dict[str, int]:
        async with open_database(url, max_size=2) as database:
            return await pruning.prune(database, jobs_days=jobs_days, history_days=history_days)

    return asyncio.run(run())


def add_job(catalogue: Catalogue, status: str, age: str) -> None:
    job = catalogue.value(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('products', 'x') RETURNING id"
    )
    catalogue.owner.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, job])
    catalogue.owner.execute(
        "UPDATE procrastinate_events SET at = now() - %s::interval WHERE job_id = %s", [age, job]
    )


@pytest.mark.parametrize("chunk", [5000, 2])
def test_jobs(staging_url: str, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(pruning, "CHUNK", chunk)
    for status in ("succeeded", "failed", "cancelled", "aborted", "todo", "doing"):
        for age in (OLD, NEW):
            add_job(catalogue, status, age)
    assert prune(staging_url)["jobs"] == 4
    left = catalogue.all("SELECT status, count(*) FROM procrastinate_jobs GROUP BY 1")
    assert {row["status"]: row["count"] for row in left} == {
        **dict.fromkeys(("succeeded", "failed", "cancelled", "aborted"), 1),
        **{"todo": 2, "doing": 2},
    }


def test_history(staging_url: str, catalogue: Catalogue) -> None:
    for days in (399, 401):
        ago = f"{days} days"
        catalogue.owner.execute(
            "INSERT INTO attempts (product_id, outcome, at) VALUES (1, 'synced', now() - %s::interval)", [ago]
        )
        catalogue.owner.execute(
            "INSERT INTO runs (kind, completed_at) VALUES ('sync', now() - %s::interval)", [ago]
        )
        catalogue.owner.execute(
            "INSERT INTO audit (at, who, role, address, action)"
            " VALUES (now() - %s::interval, 'ada', 'operator', '::1', 'pause')",
            [ago],
        )
    catalogue.owner.execute("INSERT INTO runs (kind, started_at) VALUES ('sync', '2020-01-01')")
    catalogue.owner.execute("INSERT INTO run_products SELECT id, 1, 1, 'synced' FROM runs")
    deleted = prune(staging_url)
    assert (deleted["attempts"], deleted["runs"], deleted["audit"]) == (1, 1, 1)
    assert len(catalogue.all("SELECT FROM attempts")) == 1
    assert len(catalogue.runs()) == 2
    assert len(catalogue.all("SELECT FROM run_products")) == 2


def test_workers_that_ended_without_a_word(staging_url: str, catalogue: Catalogue) -> None:
    for age in ("2 days", "1 hour"):
        catalogue.owner.execute(
            """
            INSERT INTO workers (id, host, pid, process, version, concurrency, listening, beat_at)
            VALUES (gen_random_uuid(), 'h', 1, 'p', '0', 8, false, now() - %s::interval)
            """,
            [age],
        )
    assert prune(staging_url)["workers"] == 1


def test_the_ledger_is_never_pruned(staging_url: str, catalogue: Catalogue) -> None:
    catalogue.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, url, stored_at) "
        "VALUES (1, 'p', 'c', 'u', '2001-01-01')"
    )
    prune(staging_url, jobs_days=1, history_days=1)
    assert catalogue.stored(1) == ["u"]
