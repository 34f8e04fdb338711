"""What the optional trigger on raw_products costs a scraper: `python -m ops.bench.trigger`.

Each statement is timed without and with the trigger in turn, on a throw-away server that syncs to its disk; medians.
Processor time is the backend's own, so that neighbours on the machine disturb it less than the clock on the wall.
"""

from __future__ import annotations

import argparse
import io
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ops.local import staging
from ops.local.postgres import SUPERUSER, Cluster
from procrastinate_app.migrations import migrate
from procrastinate_app.queries import SQL_FOLDER

ROWS = 100_000
SINGLE_ROWS = 5_000
DATABASE = "bench"
SCRAPER = "scraper"
COLUMNS = "external_id, brand, name, category, price, image_urls, image_status"

# A scraper that finds its rows by SKU has this one; our own are in sql/optional/.
INDEXES = "CREATE UNIQUE INDEX raw_products_sku ON raw_products (external_id)"


@dataclass(frozen=True, slots=True)
class Case:
    """One statement, or many in one transaction, over a table of ROWS products (or none, for loads)."""

    name: str
    run: Callable[[psycopg.Connection], None]
    filled: bool = True
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one execution."""

    wall: float
    processor: float


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="executions without and with it (default: 9)")
    pairs = parser.parse_args().pairs
    print(f"medians of {pairs} pairs, {ROWS:,} rows; row by row {SINGLE_ROWS:,} rows in one transaction\n")
    print(f"{'':34}{'wall without':>13}{'with':>9}{'':>8}{'processor':>12}{'with':>9}")
    with staging_database() as (owner, scraper):
        for case in CASES:
            print(_line(case, measure(owner, scraper, case, pairs)))


def measure(
    owner: psycopg.Connection, scraper: psycopg.Connection, case: Case, pairs: int
) -> tuple[list[Timing], list[Timing]]:
    """Time the case `pairs` times without and with the trigger, after one execution that does not count."""
    _prepare(owner, case)
    found: dict[bool, list[Timing]] = {False: [], True: []}
    _time(owner, scraper, case, trigger=False)
    for number in range(pairs):
        for trigger in (False, True) if number % 2 else (True, False):
            found[trigger].append(_time(owner, scraper, case, trigger=trigger))
    return found[False], found[True]


@contextmanager
def staging_database() -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """A Staging of its own; yields connections of its owner and of a scraper that may write raw_products."""
    directory = Path(tempfile.mkdtemp(prefix="ximilar-sync-bench-"))
    cluster = Cluster(directory)
    try:
        cluster.start()
        owner_url, scraper_url = _create(cluster)
        with (
            psycopg.connect(owner_url, autocommit=True) as owner,
            psycopg.connect(scraper_url, autocommit=True) as scraper,
        ):
            yield owner, scraper
    finally:
        cluster.remove()
        shutil.rmtree(directory, ignore_errors=True)


def _create(cluster: Cluster) -> tuple[str, str]:
    password, role = secrets.token_urlsafe(16), sql.Identifier(SCRAPER)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    owner_url = cluster.url(SUPERUSER, DATABASE)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        staging.prepare(owner, password)
        staging.grant(owner)
        migrate(cluster.url(staging.ROLE, DATABASE, password))
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        owner.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE ON raw_products TO {}").format(role))
        owner.execute(sql.SQL("GRANT USAGE ON SEQUENCE raw_products_id_seq TO {}").format(role))
    return owner_url, cluster.url(SCRAPER, DATABASE, password)


def _prepare(owner: psycopg.Connection, case: Case) -> None:
    owner.execute("DROP INDEX IF EXISTS raw_products_sku")
    for name in ("pending", "error"):
        owner.execute(f"DROP INDEX IF EXISTS raw_products_ximilar_{name}".encode())
    owner.execute("DROP INDEX IF EXISTS raw_products_external_id")
    if case.indexed:
        for statement in (INDEXES, *_statements("raw_products_indexes.sql")):
            owner.execute(statement.encode())
    owner.execute("TRUNCATE raw_products RESTART IDENTITY")
    if case.filled:
        _copy(owner)
    owner.execute("VACUUM ANALYZE raw_products")
    owner.execute("CHECKPOINT")


def _time(owner: psycopg.Connection, scraper: psycopg.Connection, case: Case, *, trigger: bool) -> Timing:
    for statement in _statements("trigger_install.sql" if trigger else "trigger_remove.sql"):
        owner.execute(statement.encode())
    begun, used = time.perf_counter(), _processor(scraper)
    case.run(scraper)
    timing = Timing(time.perf_counter() - begun, _processor(scraper) - used)
    if not case.filled:
        owner.execute("TRUNCATE raw_products")
    owner.execute("TRUNCATE ximilar.touched")
    owner.execute("VACUUM raw_products")
    return timing


def _processor(connection: psycopg.Connection) -> float:
    """Seconds of processor time the connection's backend has used."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def _statements(name: str) -> list[str]:
    text = (SQL_FOLDER / "optional" / name).read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return [statement for statement in code.split(";") if statement.strip()]


def _copy(connection: psycopg.Connection) -> None:
    rows = io.StringIO()
    for number in range(1, ROWS + 1):
        photos = ", ".join(f'"https://photos.example.com/{number}/front-{place}.jpg"' for place in (1, 2, 3))
        rows.write(
            f"SKU-{number}\tUNDE\tBomber jacket {number}\tjackets\t{number % 1000}.00\t[{photos}]\tuploaded\n"
        )
    with connection.cursor().copy(f"COPY raw_products ({COLUMNS}) FROM STDIN".encode()) as copy:
        copy.write(rows.getvalue())


def _update(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE raw_products SET price = price + 1, updated_at = now()")


def _update_row_by_row(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.cursor().executemany(
            "UPDATE raw_products SET price = price + 1 WHERE id = %s",
            [(number,) for number in range(1, SINGLE_ROWS + 1)],
        )


CASES = (
    Case("COPY into an empty table", _copy, filled=False),
    Case("UPDATE, primary key only", _update),
    Case("UPDATE, with the usual indexes", _update, indexed=True),
    Case("UPDATE row by row", _update_row_by_row),
)


def _line(case: Case, timings: tuple[list[Timing], list[Timing]]) -> str:
    without, with_it = timings
    columns = []
    for of in (lambda timing: timing.wall, lambda timing: timing.processor):
        before, after = (statistics.median(map(of, side)) for side in (without, with_it))
        columns.append(f"{before:>11.3f} s{after:>7.3f} s{100 * (after / before - 1):>+7.1f}%")
    return f"{case.name:34}" + "".join(columns)


if __name__ == "__main__":
    main()
