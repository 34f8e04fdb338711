"""Watches a run, or a drain of several, until it ends: a progress bar for people, a line now and then in a pipe."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import deadlines
from ..database import Database, Row
from ..runs import Kind
from .output import Output, duration

LOOK_SECONDS = 0.5
LINE_SECONDS = 10.0


Watched = Literal["run", "drain"]

LAST: dict[Watched, str] = {"run": "last_run_id", "drain": "last_drain_id"}
NEWEST: dict[Watched, str] = {"run": "newest_run", "drain": "newest_drain"}
PROGRESS: dict[Watched, str] = {"run": "run_progress", "drain": "drain_progress"}


async def watch(database: Database, watched: Watched, kind: Kind, after: int, output: Output) -> int:
    """Wait for the run (or drain) after number `after` to begin and end; returns 0 if it was a success, else 1."""
    number = await _begun(database, watched, kind, after, output)
    progress = await (_with_bar if output.interactive else _with_lines)(database, watched, number, output)
    if output.as_json:
        output.document(progress)
    else:
        output.line(_summary(watched, progress))
    return 0 if progress["status"] == "success" else 1


async def _begun(database: Database, watched: Watched, kind: Kind, after: int, output: Output) -> int:
    warn_at = time.monotonic() + deadlines.BEAT
    while True:
        number: int | None = await database.value(NEWEST[watched], kind=kind, after=after)
        if number is not None:
            return number
        if time.monotonic() > warn_at and not output.as_json:
            warn_at = time.monotonic() + LINE_SECONDS
            output.line("waiting for a worker to begin ...")
        await asyncio.sleep(LOOK_SECONDS)


async def _with_bar(database: Database, watched: Watched, number: int, output: Output) -> Row:
    columns = (
        TextColumn(f"{watched} {number}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} products/s, {task.fields[errors]} errors, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.console) as bar:
        task = bar.add_task("", total=None, errors=0, rate="-")
        while True:
            row = await _look(database, watched, number)
            bar.update(
                task,
                total=row["fetched"],
                completed=_done(row),
                errors=row["errors"],
                rate=f"{_rate(row):.1f}",
            )
            if row["completed_at"]:
                return row
            await asyncio.sleep(LOOK_SECONDS)


async def _with_lines(database: Database, watched: Watched, number: int, output: Output) -> Row:
    line_at = 0.0
    while True:
        row = await _look(database, watched, number)
        if row["completed_at"]:
            return row
        if time.monotonic() >= line_at and not output.as_json:
            line_at = time.monotonic() + LINE_SECONDS
            rate = _rate(row)
            left = f", about {duration(row['remaining'] / rate)} left" if rate else ""
            output.line(f"{_done(row)} of {row['fetched']} products, {row['errors']} errors{left}")
        await asyncio.sleep(LOOK_SECONDS)


async def _look(database: Database, watched: Watched, number: int) -> Row:
    row = await database.one(PROGRESS[watched], **{f"{watched}_id": number})
    assert row is not None
    return row


def _done(row: Row) -> int:
    return int(row["fetched"] - row["remaining"])


def _rate(row: Row) -> float:
    return _done(row) / row["seconds"] if row["seconds"] else 0.0


def _summary(watched: Watched, row: Row) -> str:
    rest = f"; {row['note']}" if row["note"] else ""
    return (
        f"{watched} {row['id']} ended: {row['status']}, {row['synced']} synced, {row['errors']} errors "
        f"of {row['fetched']} in {duration(row['seconds'])}{rest}"
    )
