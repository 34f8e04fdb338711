"""Builds a Staging of any size by generate_series: a catalogue, its ledger, and the traces of a year of work.

One product of a hundred is pending, the newest ones; one of two hundred is in error; the others are synced, with
three photos each. Indexes are made after the rows, or ten million would take an hour.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from ops.bench.sync_staging import Server, Staging, running

PROFILE = "recognition"
COLLECTION = "bench"
QUEUED = 100
HELD = {"job_id": 7, "job_attempt": 1, "product_id": 601}  # the only job that is `doing`
BYTES_PER_ROW = 2_000  # of the catalogue, with its photos, all indexes and room to make them

RAW_PRODUCTS = """
    INSERT INTO public.raw_products (id, external_id, brand, name, category, price, image_urls, image_status,
                                     ximilar_status, ximilar_synced_at, error_message, updated_at)
    SELECT n, 'SKU-' || n, 'brand ' || n %% 200, 'Coat number ' || n || ' of wool', 'category ' || n %% 50, 599.00,
           jsonb_build_array('https://photos.example.com/' || n || '/1.jpg',
                             'https://photos.example.com/' || n || '/2.jpg',
                             'https://photos.example.com/' || n || '/3.jpg'),
           'uploaded', CASE WHEN n > %(rows)s * 0.99 THEN 'pending' WHEN n %% 200 = 1 THEN 'error' ELSE 'synced' END,
           CASE WHEN n <= %(rows)s * 0.99 AND n %% 200 <> 1 THEN now() - interval '1 day' END,
           CASE WHEN n <= %(rows)s * 0.99 AND n %% 200 = 1 THEN 'photo 1: cannot be read' END, now() - interval '1 day'
      FROM generate_series(1, %(rows)s) n
"""
PHOTOS = """
    INSERT INTO photos (product_id, profile, collection_id, sku, url, content_hash, stored_at)
    SELECT p.id, %(profile)s, %(collection_id)s, p.external_id, photo,
           content_hash_v1(p.external_id, p.brand, p.name, p.category, p.price), p.ximilar_synced_at
      FROM public.raw_products p, jsonb_array_elements_text(p.image_urls) photo
     WHERE p.ximilar_status = 'synced'
"""
RUNS = """
    INSERT INTO runs (kind, started_at, completed_at, fetched, synced, errors, status)
    SELECT CASE WHEN n % 8 = 0 THEN 'sync' ELSE 'retry' END, now() - n * interval '21 h', now() - n * interval '20 h',
           1000, 990, 10, 'partial'
      FROM generate_series(400, 1, -1) n
"""
# A tenth of the products has been at work in the time that is remembered.
ATTEMPTS = """
    INSERT INTO attempts (at, product_id, sku, run_id, job_id, job_attempt, outcome, cause, code, message,
                          photos_sent, seconds)
    SELECT now() - interval '400 days' * (1 - n::float8 / %(rows)s), n, 'SKU-' || n, 1 + n / 10 %% 400, n, 0,
           CASE WHEN n %% 200 = 1 THEN 'error' ELSE 'synced' END, CASE WHEN n %% 200 = 1 THEN 'refused' END,
           CASE WHEN n %% 200 = 1 THEN 400 END, CASE WHEN n %% 200 = 1 THEN 'cannot be read' END, 3, 1.5
      FROM generate_series(1, %(rows)s, 10) n
"""
RUN_PRODUCTS = "INSERT INTO run_products SELECT run_id, product_id, job_id, outcome FROM attempts"
JOBS = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status, attempts)
    SELECT 'products', 'sync_product', 'product:' || n, jsonb_build_object('product_id', n),
           CASE n WHEN %(held)s THEN 'doing' ELSE 'succeeded' END::procrastinate_job_status, 1
      FROM generate_series(1, %(rows)s, 100) n
"""
EVENTS = """
    INSERT INTO procrastinate_events (job_id, type, at)
    SELECT j.id, type::procrastinate_job_event_type, now() - interval '8 days' * (1 - j.id / (%(rows)s / 100.0))
      FROM procrastinate_jobs j, unnest(ARRAY['deferred', 'started', 'succeeded']) type
"""
REMOVALS = """
    INSERT INTO removals (product_id, profile, collection_id, reason, found_at)
    SELECT n, %(profile)s, %(collection_id)s, 'not_ready', now() - interval '1 hour'
      FROM generate_series(1, %(rows)s, 10000) n
"""
COMPARISON = """
    INSERT INTO passes (kind, profile, collection_id, completed_at)
    VALUES ('full', %(profile)s, %(collection_id)s, now())
"""
OPEN_RUN = """
    WITH opened AS (INSERT INTO runs (kind) VALUES ('sync') RETURNING id)
    SELECT enqueue_v1(ARRAY(SELECT id FROM public.raw_products WHERE id > %(rows)s * 0.99 ORDER BY id LIMIT %(queued)s),
                      (SELECT id FROM opened))
"""
TABLES = {
    "public.raw_products": RAW_PRODUCTS,
    "ximilar.photos": PHOTOS,
    "ximilar.runs": RUNS,
    "ximilar.attempts": ATTEMPTS,
    "ximilar.run_products": RUN_PRODUCTS,
    "ximilar.procrastinate_jobs": JOBS,
    "ximilar.procrastinate_events": EVENTS,
    "ximilar.removals": REMOVALS,
    "ximilar.passes": COMPARISON,
}
LARGE = ("public.raw_products", "ximilar.photos", "ximilar.attempts", "ximilar.run_products")
SEQUENCES = """
    SELECT setval(pg_get_serial_sequence('public.raw_products', 'id'), (SELECT max(id) FROM public.raw_products))
"""
INDEXES = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname, pg_get_constraintdef(c.oid)
      FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
     WHERE i.indrelid = %s::regclass
"""


class DiskFullError(RuntimeError):
    """There is too little room for a Staging of that size; the message says how much it takes."""


@dataclass(frozen=True, slots=True)
class Built:
    """A Staging of `rows` products, and how long it took to build."""

    rows: int
    staging: Staging
    seconds: float


@contextlib.contextmanager
def server(rows: int) -> Iterator[Server]:
    """A server of its own, with room for so many products. Raises DiskFullError."""
    free, needed = shutil.disk_usage(tempfile.gettempdir()).free, rows * BYTES_PER_ROW * 2
    if free < needed:
        raise DiskFullError(
            f"{needed / 1e9:.0f} GB are needed in {tempfile.gettempdir()}, {free / 1e9:.0f} are free"
        )
    with running(durable=False) as started:
        with psycopg.connect(started.cluster.url(), autocommit=True) as owner:
            for setting in ("max_wal_size = '8GB'", "maintenance_work_mem = '512MB'", "work_mem = '16MB'"):
                owner.execute(f"ALTER SYSTEM SET {setting}")
            owner.execute("SELECT pg_reload_conf()")
        yield started


def build(started: Server, rows: int) -> Built:
    """Make and fill a Staging without the owner's optional indexes."""
    begun = time.monotonic()
    staging = started.create(f"growth_{rows}")
    where = {"profile": PROFILE, "collection_id": COLLECTION}
    values = {"rows": rows, **where, "queued": QUEUED, "held": HELD["product_id"]}
    with psycopg.connect(staging.owner_url, autocommit=True) as owner:
        owner.execute("SET search_path = ximilar, public")
        # No triggers: totals and events are written here, and nobody listens.
        owner.execute("SET session_replication_role = replica")
        for table, statement in TABLES.items():
            with _without_indexes(owner, table) if table in LARGE else contextlib.nullcontext():
                owner.execute(statement.encode(), values if "%(" in statement else None)
        owner.execute("SET session_replication_role = origin")
        owner.execute(SEQUENCES)
        owner.execute(OPEN_RUN, values)
        owner.execute("VACUUM ANALYZE")
    return Built(rows, staging, time.monotonic() - begun)


@contextlib.contextmanager
def _without_indexes(owner: psycopg.Connection[Any], table: str) -> Iterator[None]:
    dropped = owner.execute(INDEXES, [table]).fetchall()
    for index, _, constraint, _ in dropped:
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}"
        owner.execute(drop.encode())
    yield
    for _, definition, constraint, text in dropped:
        add = f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {text}" if constraint else definition
        owner.execute(add.encode())
