"""Fixtures for the rows of a test: products as the scrapers write them, jobs as a worker holds them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from procrastinate_app.outcome import Ticket

Row = dict[str, Any]

HOST = "photos.example.com"


@dataclass(frozen=True, slots=True)
class Sample:
    """A product that a test has added."""

    id: int
    sku: str
    urls: list[str]


class Catalogue:
    """The database of a test, seen with the owner's eyes: nothing here is limited by the grants."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner
        self._numbers = itertools.count(1)
        owner.execute("SET search_path = ximilar, public")

    def add(self, photos: int | Sequence[Any] | None = 1, **columns: Any) -> Sample:
        """Add a product that is ready and pending, with so many photos or exactly these elements."""
        number = next(self._numbers)
        sku = columns.pop("external_id", f"SKU-{number}")
        urls: Any = photos
        if isinstance(photos, int):
            urls = [f"https://{HOST}/{number}/{place}.jpg" for place in range(1, photos + 1)]
        row = {
            **{"external_id": sku, "brand": "UNDE", "name": "Coat", "category": "coats", "price": "599.00"},
            **{"image_status": "uploaded", "ximilar_status": "pending", "image_urls": Jsonb(urls)},
            **columns,
        }
        query = sql.SQL("INSERT INTO raw_products ({}) VALUES ({}) RETURNING id").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        )
        product_id = self.value(query, row)
        return Sample(product_id, sku, urls)

    def add_many(self, count: int, **columns: Any) -> None:
        """Add products of one photo each, in one statement, with equal `columns`."""
        row = {"image_status": "uploaded", "ximilar_status": "pending", "updated_at": None, **columns}
        self.owner.execute(
            """
            INSERT INTO raw_products (external_id, brand, name, image_urls, image_status, ximilar_status, updated_at)
            SELECT 'MANY-' || n, 'UNDE', 'Coat ' || n, jsonb_build_array('https://photos.example.com/many/' || n),
                   %(image_status)s, %(ximilar_status)s, coalesce(%(updated_at)s::timestamptz, now())
              FROM generate_series(1, %(count)s) AS n
            """,
            {**row, "count": count},
        )

    def edit(self, product: int, **columns: Any) -> None:
        """Change a row as a scraper would."""
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
        )
        query = sql.SQL("UPDATE raw_products SET {} WHERE id = {}").format(assignments, product)
        self.owner.execute(query, columns)

    def row(self, product: int) -> Row:
        """The product's row."""
        return self.one("SELECT * FROM raw_products WHERE id = %s", [product])

    def state(self, product: int) -> str:
        """Its ximilar_status."""
        return str(self.row(product)["ximilar_status"])

    def stored(self, product: int) -> list[str]:
        """The addresses in the ledger."""
        rows = self.all("SELECT url FROM photos WHERE product_id = %s ORDER BY url", [product])
        return [row["url"] for row in rows]

    def attempts(self, product: int) -> list[Row]:
        """What was written about the product, oldest first."""
        return self.all("SELECT * FROM attempts WHERE product_id = %s ORDER BY id", [product])

    def outcomes(self, product: int) -> list[str]:
        """The outcomes of its attempts."""
        return [row["outcome"] for row in self.attempts(product)]

    def jobs(self, product: int | None = None) -> list[Row]:
        """The product's jobs, or those of all products, oldest first."""
        lock = "product:%" if product is None else f"product:{product}"
        return self.all("SELECT * FROM procrastinate_jobs WHERE lock LIKE %s ORDER BY id", [lock])

    def statuses(self, product: int | None = None) -> list[str]:
        """The status of each of those jobs."""
        return [row["status"] for row in self.jobs(product)]

    def throttle(self) -> Row:
        """The account's one row, with `paused` seconds left."""
        return self.one(
            """
            SELECT pause_cause, pause_code, pause_text, pauses, faults, paused_until > clock_timestamp() AS is_paused,
                   extract(epoch FROM paused_until - clock_timestamp())::float8 AS paused,
                   extract(epoch FROM next_at - clock_timestamp())::float8 AS next_in,
                   extract(epoch FROM probing_until - clock_timestamp())::float8 AS probing,
                   extract(epoch FROM clock_timestamp() - last_success_at)::float8 AS since_success
              FROM throttle
            """
        )

    def end_pause(self) -> None:
        """Let the pause's time be over; its probe is still to come."""
        self.owner.execute(
            """
            UPDATE throttle
               SET paused_until = clock_timestamp(), probing_until = '-infinity', next_at = '-infinity'
            """
        )

    def calm(self) -> None:
        """Make the account as new."""
        self.owner.execute("TRUNCATE throttle")
        self.owner.execute("INSERT INTO throttle DEFAULT VALUES")

    def runs(self) -> list[Row]:
        """All runs, oldest first."""
        return self.all("SELECT * FROM runs ORDER BY id")

    def logged(self) -> list[Row]:
        """All rows of scraper_logs, oldest first."""
        return self.all("SELECT * FROM scraper_logs ORDER BY id")

    def queue(self, product: int, run_id: int | None = None, **extra: Any) -> int:
        """Add a waiting job of the product and return its id."""
        arguments = {"product_id": product, **({} if run_id is None else {"run_id": run_id}), **extra}
        job: int = self.value(
            """
            INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)
            VALUES ('products', 'sync_product', %s, %s) RETURNING id
            """,
            [f"product:{product}", Jsonb(arguments)],
        )
        if run_id is not None:
            member = "INSERT INTO run_products (run_id, product_id, job_id) VALUES (%s, %s, %s)"
            self.owner.execute(member, [run_id, product, job])
            self.owner.execute("UPDATE runs SET fetched = fetched + 1 WHERE id = %s", [run_id])
        return job

    def start(self, job: int, worker: int | None = None) -> None:
        """Put a waiting job to `doing`, as a fetch does."""
        query = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s"
        self.owner.execute(query, [worker, job])

    def hold(self, product: int, run_id: int | None = None) -> Ticket:
        """Add a job of the product that is `doing`, and return what its task would know."""
        job = self.queue(product, run_id)
        self.start(job)
        return Ticket(product, job, 0, run_id)

    def open_run(self, kind: str = "sync") -> int:
        """Add a run without products."""
        return int(self.value("INSERT INTO runs (kind) VALUES (%s) RETURNING id", [kind]))

    def all(self, query: Any, parameters: Any = None) -> list[Row]:
        """All rows of a query."""
        with self.owner.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def one(self, query: Any, parameters: Any = None) -> Row:
        """Its only row."""
        (row,) = self.all(query, parameters)
        return row

    def value(self, query: Any, parameters: Any = None) -> Any:
        """The only value of its only row."""
        (value,) = self.one(query, parameters).values()
        return value


@pytest.fixture
def catalogue(owner: psycopg.Connection) -> Catalogue:
    """The rows of the test's database."""
    return Catalogue(owner)
