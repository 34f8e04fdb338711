"""How statements and pages grow with the tables: the same questions to a small Staging and to a large one."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping

import psycopg

from ops.bench.growth_build import COLLECTION, Built, build, server
from ops.bench.growth_plans import Measured, measure
from ops.bench.growth_questions import Question, questions
from ops.bench.sync_staging import Staging, optional_indexes
from ops.bench.table import figure, show
from ops.local.environ import without_settings
from ops.local.programs import ROOT

SMALL, LARGE = 100_000, 1_000_000
STATEMENT_SECONDS = 300
COMMAND_SECONDS = 1800
# What grows by less than the root of the table's growth, or stays within so many milliseconds, is not linear.
FREE_MILLISECONDS = 50.0

Results = dict[tuple[str, str], Measured | None]


def main(argv: list[str] | None = None) -> int:
    """Build both, ask, print; returns 1 if a statement grows with a table that it is not to see whole.

    Catalogues below SMALL give no verdict: what has a bound, such as a sample, has not reached it there.
    """
    options = _options(argv)
    with server(options.rows + options.small) as started:
        small, large = (_built(build(started, rows)) for rows in (options.small, options.rows))
        suspects = []
        for indexed in (False, True):
            if indexed:
                _add_indexes(small.staging, large.staging)
            found = {built.rows: _ask(built) for built in (small, large)}
            suspects += _report(small.rows, large.rows, found, "with" if indexed else "without")
        _commands(small, large)
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"linear, though not a census: {', '.join(suspects) or 'nothing'}")
    return 1 if suspects and options.small >= SMALL else 0


def _built(built: Built) -> Built:
    (size,) = built.staging.query("SELECT pg_size_pretty(pg_database_size(current_database()))")[0]
    print(f"{built.rows:,} products built in {built.seconds:.0f} s, {size}", flush=True)
    return built


def _add_indexes(*databases: Staging) -> None:
    for database in databases:
        for index in optional_indexes():
            database.query(index)
        database.query("VACUUM ANALYZE public.raw_products")


def _ask(built: Built) -> Results:
    with psycopg.connect(built.staging.url, autocommit=True, prepare_threshold=None) as connection:
        connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        return {
            (area, question.title): _measured(connection, question)
            for area, asked in questions(built.rows).items()
            for question in asked
        }


def _measured(connection: psycopg.Connection, question: Question) -> Measured | None:
    """None: it took longer than any statement may."""
    try:
        return measure(connection, question.name, question.parameters)
    except psycopg.errors.QueryCanceled:
        return None


def _report(small: int, large: int, found: Mapping[int, Results], indexes: str) -> list[str]:
    """Print a table an area; return the statements that grow with the table and should not."""
    suspects = []
    for area, asked in questions(large).items():
        rows = []
        for question in asked:
            before, after = (found[size][area, question.title] for size in (small, large))
            linear = _is_linear(before, after, large / small)
            verdict = f"grows: {question.census}" if linear and question.census else "GROWS" if linear else ""
            rows.append([question.title, *_cells(before, after), verdict])
            if linear and not question.census and indexes == "with":
                suspects.append(question.title)
        show(
            f"{area}: {small:,} and {large:,} products, {indexes} the owner's optional indexes",
            ("statement", "ms", "ms", "times", "pages", "pages", "plan of the large one", "growth"),
            rows,
        )
    return suspects


def _is_linear(before: Measured | None, after: Measured | None, growth: float) -> bool:
    if before is None or after is None:
        return True
    slower = after.milliseconds / max(before.milliseconds, 0.01)
    return slower > growth**0.5 and after.milliseconds > FREE_MILLISECONDS


def _cells(before: Measured | None, after: Measured | None) -> list[str]:
    if before is None or after is None:
        return ["", f"over {STATEMENT_SECONDS} s", "", "", "", "none: cut off"]
    times = figure(after.milliseconds / max(before.milliseconds, 0.01))
    pages = [f"{before.pages:,}", f"{after.pages:,}"]
    return [figure(before.milliseconds), figure(after.milliseconds), times, *pages, after.how]


def _commands(small: Built, large: Built) -> None:
    """Whole commands, as processes: their start is in it."""
    commands: dict[str, tuple[str, ...]] = {
        "status": ("status",),
        "errors": ("errors",),
        "reconcile, all of it": ("reconcile",),
    }
    rows = [
        [title, *(figure(_seconds(built.staging, command)) for built in (small, large))]
        for title, command in commands.items()
    ]
    show(
        "Whole commands, with the optional indexes, in seconds",
        ("command", f"{small.rows:,} products", f"{large.rows:,} products"),
        rows,
    )


def _seconds(staging: Staging, command: tuple[str, ...]) -> float:
    environ = {
        **without_settings(os.environ),
        "STAGING_DB_URL": staging.url,
        "XIMILAR_API_TOKEN": "bench",
        "XIMILAR_COLLECTION_ID": COLLECTION,
    }
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "procrastinate_app", *command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
        check=False,  # `errors` ends with 1 where there are any
    )
    return time.monotonic() - begun


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.bench growth", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="10,000 and 100,000 products: to see that all works")
    add(
        "--rows",
        type=int,
        default=LARGE,
        help="products of the large one; 10000000 takes half an hour (%(default)s)",
    )
    add("--small", type=int, default=SMALL, help="products of the small one (%(default)s)")
    if parser.parse_args(argv).quick:
        parser.set_defaults(small=10_000, rows=100_000)
    return parser.parse_args(argv)
