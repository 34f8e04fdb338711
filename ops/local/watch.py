"""Follows a run in the database, with a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

POLL_SECONDS = 0.3
LINE_SECONDS = 2.0

COUNTS = """
    SELECT count(*) FILTER (WHERE ximilar_status = 'pending') AS pending,
           count(*) FILTER (WHERE ximilar_status = 'synced') AS synced,
           count(*) FILTER (WHERE ximilar_status = 'error') AS error,
           (SELECT count(*) FROM public.scraper_logs) AS runs_ended
      FROM public.raw_products
"""


class StuckError(RuntimeError):
    """The run did not end in time."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Products by state, and how many runs have ended."""

    pending: int
    synced: int
    error: int
    runs_ended: int

    @property
    def done(self) -> int:
        """Products with a verdict."""
        return self.synced + self.error

    def __str__(self) -> str:
        return f"{self.pending} pending, {self.synced} synced, {self.error} error"


def follow(
    owner: psycopg.Connection, console: Console, *, products: int, seconds: float, check: Callable[[], None]
) -> None:
    """Return when the run has ended. `check` raises when a program has; raises StuckError after `seconds`."""
    show = _bar if console.is_terminal else _lines
    deadline = time.monotonic() + seconds
    with show(console, products) as update:
        while True:
            counts = read(owner)
            update(counts)
            if counts.runs_ended:
                return
            if time.monotonic() > deadline:
                raise StuckError(f"the run has not ended after {seconds:.0f} s: {counts}")
            check()
            time.sleep(POLL_SECONDS)


def read(owner: psycopg.Connection) -> Counts:
    """Count the products."""
    row = owner.execute(COUNTS).fetchone()
    assert row is not None
    return Counts(*row)


@contextlib.contextmanager
def _bar(console: Console, products: int) -> Iterator[Callable[[Counts], None]]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=products)
        yield lambda counts: progress.update(task, completed=counts.done, description=str(counts))


@contextlib.contextmanager
def _lines(console: Console, _products: int) -> Iterator[Callable[[Counts], None]]:
    """Print a line when something has changed, at most one each LINE_SECONDS, and the last."""
    printed: Counts | None = None
    next_at = 0.0

    def update(counts: Counts) -> None:
        nonlocal printed, next_at
        if counts != printed and (time.monotonic() >= next_at or counts.runs_ended):
            console.print(f"  {counts}")
            printed, next_at = counts, time.monotonic() + LINE_SECONDS

    yield update
