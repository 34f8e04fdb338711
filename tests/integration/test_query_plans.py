"""The index behind each query that reads `raw_products` or jobs, on tables of some size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from procrastinate_app.plan import UNSURE
from procrastinate_app.queries import SQL_FOLDER, sql
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_worker import connect

ROWS = 30_000
JOBS = 40_000

LARGE = {
    *("raw_products", "procrastinate_jobs", "procrastinate_events", "photos", "attempts", "run_products"),
    *("touched", "passes"),
}
HERE = {"profile": "p", "collection_id": "c"}
RANGE = {"after": 1000, "last": 1200, "only": None}

PLANS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "load_product": ({"product_id": 77}, {"raw_products_pkey", "photos_sku"}),
    "mark_error": ({"product_id": 77, "reason": "x"}, {"raw_products_pkey"}),
    "find_products": ({"sku": "MANY-77"}, {"raw_products_external_id"}),
    "errors_by_cause": ({"examples": 3}, {"raw_products_ximilar_error", "attempts_product"}),
    # By the primary key, or by the smaller index of the jobs that are `doing`.
    "finish_held_job": (
        {"job_id": 77, "attempts": 0, "lock_held": None, "status": "succeeded", "delete_job": False},
        set(),
    ),
    "retry_held_job": (
        {
            **{"job_id": 77, "attempts": 0, "lock_held": None},
            **{"seconds": 1.0, "priority": None, "queue": None, "lock": None},
        },
        set(),
    ),
    "lost_job": ({"worker_id": 1, "held": [1, 2]}, {"idx_procrastinate_jobs_worker_not_null"}),
    "jobs_of_product": ({"product_id": 77}, {"ximilar_jobs_lock"}),
    "stored_photos": ({"product_id": 77}, {"photos_pkey"}),
    "photos_of": ({"product_id": 77, "profile": "p", "collection_id": "c"}, {"photos_pkey"}),
    "attempts_of_product": ({"product_id": 77, "limit": 20}, {"attempts_product"}),
    "faults_of_job": ({"job_id": 77, "causes": ["timed_out"]}, {"attempts_job"}),
    "rescues_of_job": ({"job_id": 77}, {"attempts_job"}),
    "settle_product": ({"run_id": 1, "product_id": 77, "outcome": "synced"}, {"run_products_pkey"}),
    "run_is_over": ({"run_id": 1}, {"run_products_open"}),
    # Comparing: one chunk of the catalogue beside one of the ledger.
    "chunk_end": ({"after": 1000, "limit": 200}, {"raw_products_pkey"}),
    "scan_chunk": ({**HERE, **RANGE}, {"raw_products_pkey", "photos_pkey", "photos_sku"}),
    "unfinished_pass": ({**HERE, "kind": "full"}, {"passes_open"}),
    "advance_pass": (
        {"pass_id": 77, "cursor": 1, "queued": 0}
        | dict.fromkeys(("changed", "missing", "stale", "gone", "absent", "would_carry", "would_remove"), 0),
        {"passes_pkey"},
    ),
    "end_pass": ({"pass_id": 77, "removing": 0, "held": 0}, {"passes_pkey"}),
    "last_pass": ({}, {"passes_pkey"}),
    "note_absent": ({**HERE, "ids": [77], "reasons": ["gone"]}, set()),
    "drop_returned": ({**HERE, "ids": [1077], "after": 1000, "last": 1200}, {"removals_pkey"}),
    "candidate_ids": ({**HERE, "after": 1000, "limit": 200}, {"removals_pkey"}),
    "confirmed_among": ({**HERE, "ids": [77, 78], "debounce": 600}, {"removals_pkey"}),
    "settle_removal": ({**HERE, "product_id": 77}, {"removals_pkey"}),
    "unsync_product": ({"product_id": 77}, {"raw_products_pkey"}),
    "enqueue_recheck": ({"seconds": 660}, {"ximilar_jobs_lock"}),
    "sample_synced": (HERE, {"raw_products_pkey", "photos_pkey"}),
    # Changing what is stored, and whose it is.
    "store_photo": (
        {**HERE, "product_id": 77, "sku": "s", "url": "u", "remote_id": None, "already": False}
        | {"content_hash": None, "request_id": None, "version": None, "unsure": UNSURE},
        set(),
    ),
    "doubt_photo": ({**HERE, "product_id": 77, "sku": "s", "url": "u", "unsure": UNSURE}, {"photos_url"}),
    "forget_photo": (
        {**HERE, "product_id": 77, "sku": "s", "url": "u", "unsure": UNSURE},
        {"photos_url", "raw_products_pkey"},
    ),
    # Here, and where photos are inherited, by the address or by the SKU.
    "share_photo": (
        {**HERE, "product_id": 77, "sku": "s", "url": "u", "content_hash": None, "unsure": UNSURE},
        {"raw_products_pkey"},
    ),
    "forget_shared": ({**HERE, "product_id": 77, "url": "u", "unsure": UNSURE}, {"photos_url"}),
    "hand_over_photos": (
        {**HERE, "product_id": 77, "unsure": UNSURE},
        {"photos_pkey", "raw_products_external_id"},
    ),
    "inherit_records": (
        {**HERE, "product_id": 77, "sku": "s", "urls": ["u", "v"], "giver": None},
        {"raw_products_pkey"},
    ),
    "unsync_heirs": ({**HERE, "product_id": 77}, {"photos_pkey", "raw_products_external_id"}),
    "adopt": ({**HERE, "after": 1000, "limit": 200}, {"raw_products_pkey"}),
    # What the trigger has noted.
    "take_touched": ({"limit": 50}, {"touched_pkey"}),
    # Drains.
    "drain_to_continue": ({"drain_id": 1}, {"runs_drain"}),
    "move_drain": ({"drain_id": 1, "run_id": 1}, {"run_products_pkey"}),
}
# Those hidden in a function's argument or body, by what stands there.
INNER: dict[str, tuple[dict[str, Any], set[str]]] = {
    "enqueue_pending": ({"limit": 1000, "run_id": None}, {"raw_products_ximilar_pending"}),
    "enqueue_errors": ({"limit": 1000, "run_id": None}, {"raw_products_ximilar_error", "ximilar_jobs_lock"}),
    "enqueue_drain_sync": (
        {"limit": 1000, "run_id": None, "cursor": 5000},
        {"raw_products_ximilar_pending"},
    ),
    "enqueue_drain_retry": (
        {"limit": 1000, "run_id": None, "cursor": 5000},
        {"raw_products_ximilar_error", "ximilar_jobs_lock"},
    ),
    "enqueue_behind_drain": (
        {"limit": 1000, "run_id": None, "drain_id": 1},
        {"raw_products_ximilar_pending", "run_products_pkey", "runs_drain"},
    ),
    "enqueue_anywhere": ({"limit": 1000}, {"raw_products_ximilar_pending"}),
    "enqueue_repairs": ({"ids": [77, 78], "sent_before": 0}, {"ximilar_jobs_lock"}),
    "enqueue_touched": (
        {**RANGE, "changed": [1100]},
        {"raw_products_pkey", "attempts_product", "ximilar_jobs_lock"},
    ),
    # All candidates that are approved, by whatever is quickest.
    "enqueue_removals": (HERE, set()),
    "enqueue_again": ({"product_id": 77, "run_id": None}, {"ximilar_jobs_lock"}),
    "enqueue_resend": ({"sku": "MANY-77"}, {"raw_products_external_id", "ximilar_jobs_lock"}),
    "stalled_jobs": (
        {"silent": 30.0, "dead": [], "product_seconds": 120.0, "control_seconds": 900.0},
        {"procrastinate_jobs_lock_idx_v1"},
    ),
}


@pytest.fixture
def large(database: Database, catalogue: Catalogue) -> psycopg.Connection:
    """A catalogue and a queue of some size, with the optional indexes and fresh statistics."""
    owner = catalogue.owner
    catalogue.add_many(ROWS, ximilar_status="synced")
    owner.execute("UPDATE raw_products SET ximilar_status = 'pending' WHERE id % 20 = 0")
    owner.execute(
        "UPDATE raw_products SET ximilar_status = 'error', updated_at = now() - interval '1 day' WHERE id % 50 = 1"
    )
    fill_queue(owner)
    fill_runs(owner)
    fill_ledger(owner)
    fill_comparisons(owner)
    for statement in optional_indexes():
        owner.execute(statement.encode())
    owner.execute("VACUUM ANALYZE")
    return connect(database.url)


def fill_queue(owner: psycopg.Connection) -> None:
    """Jobs, and what became of products before."""
    owner.execute(
        """
        INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status)
        SELECT 'products', 'sync_product', 'product:' || n, jsonb_build_object('product_id', n),
               (CASE WHEN n %% 500 = 1 THEN 'doing' WHEN n %% 4 = 0 THEN 'todo'
                     ELSE 'succeeded' END)::procrastinate_job_status
          FROM generate_series(1, %s) AS n
        """,
        [JOBS],
    )
    owner.execute(
        "INSERT INTO attempts (product_id, job_id, outcome) "
        "SELECT n, n, CASE WHEN n %% 50 = 1 THEN 'error' WHEN n %% 7 = 0 THEN 'postponed' ELSE 'synced' END "
        "FROM generate_series(1, %s) n",
        [ROWS],
    )


def fill_runs(owner: psycopg.Connection) -> None:
    """A run with all products, and short ones of many drains."""
    owner.execute("INSERT INTO drains (kind) VALUES ('sync')")
    owner.execute("INSERT INTO runs (kind) VALUES ('sync')")
    owner.execute("INSERT INTO runs (kind, drain_id) SELECT 'sync', n % 100 FROM generate_series(1, 5000) n")
    owner.execute(
        "INSERT INTO run_products "
        "SELECT 1, n, n, CASE WHEN n %% 100 > 0 THEN 'synced' END FROM generate_series(1, %s) n",
        [ROWS],
    )
    owner.execute(
        "INSERT INTO run_products SELECT 2 + n %% 5000, n, n, 'synced' FROM generate_series(1, %s) n", [ROWS]
    )


def fill_ledger(owner: psycopg.Connection) -> None:
    """A stored photo of each product, and a note of each by the trigger."""
    owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, url) "
        "SELECT n, 'p', 'c', 'https://photos.example.com/' || n FROM generate_series(1, %s) n",
        [ROWS],
    )
    owner.execute("INSERT INTO touched (ids) SELECT ARRAY[n] FROM generate_series(1, %s) n", [ROWS])


def fill_comparisons(owner: psycopg.Connection) -> None:
    """Candidates for removal, and passes that have ended."""
    owner.execute(
        "INSERT INTO removals (product_id, profile, collection_id, reason, found_at, approved_at)"
        " SELECT n, 'p', 'c', 'gone', now() - interval '1 h' * (n %% 100), CASE WHEN n %% 100 = 1 THEN now() END"
        " FROM generate_series(1, %s) n",
        [ROWS],
    )
    owner.execute(
        "INSERT INTO passes (kind, profile, collection_id, completed_at) "
        "SELECT CASE WHEN n % 2 = 0 THEN 'full' ELSE 'recheck' END, 'p', 'c', now() FROM generate_series(1, 2000) n"
    )


def optional_indexes() -> list[str]:
    """The statements of sql/optional/, one by one: CONCURRENTLY allows no transaction around them."""
    text = (SQL_FOLDER / "optional/raw_products_indexes.sql").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, all the way down."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def explain(
    connection: psycopg.Connection, statement: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), parameters).fetchone()
    assert row is not None
    plans = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    return list(nodes(plans[0]["Plan"]))


def test_each_query_has_its_index(large: psycopg.Connection, subtests: pytest.Subtests) -> None:
    with large:
        for name, (parameters, expected) in {**PLANS, **INNER}.items():
            with subtests.test(name):
                found = explain(large, sql(name), parameters)
                used = {node["Index Name"] for node in found if "Index Name" in node}
                assert expected <= used, used
                read = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
                assert not read & LARGE


def test_what_a_drain_has_had_is_not_gone_through_for_each_product(large: psycopg.Connection) -> None:
    """NOT IN is never a join: once its list outgrows work_mem it is read from end to end, product by product."""
    with large:
        found = explain(large, sql("enqueue_behind_drain"), INNER["enqueue_behind_drain"][0])
        assert not any("SubPlan" in node.get("Filter", "") for node in found)


def test_the_inside_of_a_fetch_has_its_indexes(large: psycopg.Connection) -> None:
    """procrastinate's function is no concern of EXPLAIN: what it reads shows in the counters."""
    with large:
        large.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
        parameters = {"queues": None, "queues_while_paused": ["control"], "worker_id": 1}
        large.execute("SELECT pg_stat_force_next_flush()")
        before = scans(large)
        for _ in range(20):
            large.execute(sql("fetch_job").encode(), parameters)
        large.execute("SELECT pg_stat_force_next_flush()")
        assert scans(large) - before < 20 * 50


def scans(connection: psycopg.Connection) -> int:
    """How many rows of the jobs were read from end to end, or by any index."""
    row = connection.execute(
        """
        SELECT coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0)
          FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_queries_work_without_the_optional_indexes(
    catalogue: Catalogue, conn: psycopg.Connection, subtests: pytest.Subtests
) -> None:
    catalogue.add_many(100)
    for name, (parameters, _) in {**PLANS, **INNER}.items():
        with subtests.test(name):
            conn.execute(sql(name).encode(), parameters)


def test_enqueueing_a_large_catalogue_reads_no_more_than_it_takes(large: psycopg.Connection) -> None:
    with large, large.transaction():
        row = large.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {sql('enqueue_pending')}".encode(),
            {"limit": 100, "run_id": None},
        ).fetchone()
        assert row is not None
        scan = next(
            n for n in nodes(row[0][0]["Plan"]) if n.get("Index Name") == "raw_products_ximilar_pending"
        )
        assert scan["Actual Rows"] <= 1600


READ_IN_FULL = "SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname = ANY (%s)"


def fingerprint(connection: psycopg.Connection, product: int) -> UUID:
    """The row as a job has read it."""
    row = connection.execute(sql("load_product").encode(), {"product_id": product}).fetchone()
    assert row is not None
    found: UUID = row[-2]
    return found


def record(connection: psycopg.Connection, job: int, product: int, outcome: str, as_read: UUID) -> None:
    """Write an outcome of a job that holds its product, in run 1."""
    ended = {"job_id": job, "job_attempt": 0, "product_id": product, "run_id": 1, "fingerprint": as_read}
    verdict = {"outcome": outcome, "mark": True, "photos_sent": 1, "seconds": 0.1}
    said = dict.fromkeys(("sku", "cause", "code", "message", "request_id"))
    written = connection.execute(sql("record_outcome").encode(), {**ended, **verdict, **said}).fetchone()
    assert written == (outcome,)


def test_what_a_function_reads_has_its_index(large: psycopg.Connection) -> None:
    """Its plans are hidden, but not what it read; the sixth call may have another plan than those before."""
    with large, large.transaction():
        for outcome in ("synced", "error") * 4:
            large.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = 77")
            record(large, 77, 77, outcome, fingerprint(large, 77))
        assert large.execute(READ_IN_FULL, [list(LARGE)]).fetchall() == []


def test_a_function_that_began_with_small_tables_is_ready_for_large_ones(
    catalogue: Catalogue, conn: psycopg.Connection
) -> None:
    """Its plans stay as they are until an ANALYZE: a queue that fills up would be read in full for each product."""
    ticket = catalogue.hold(catalogue.add(1).id, catalogue.open_run())
    catalogue.owner.execute("ANALYZE")
    as_read = fingerprint(catalogue.owner, ticket.product_id)  # whose reading is not counted here
    with conn.transaction():
        for outcome in ("synced", "error") * 4:
            record(conn, ticket.job_id, ticket.product_id, outcome, as_read)
        assert conn.execute(READ_IN_FULL, [list(LARGE)]).fetchall() == []
