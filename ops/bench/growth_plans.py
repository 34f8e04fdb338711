"""Runs a named statement under EXPLAIN ANALYZE and tells what its plan touched. What it wrote is rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg

from procrastinate_app.queries import sql

REPEATS = 5
ENOUGH_SECONDS = 3.0
# A read from end to end of one of these is worth a word.
GROWING = frozenset(
    {
        "raw_products",
        "photos",
        "attempts",
        "run_products",
        "procrastinate_jobs",
        "procrastinate_events",
        "removals",
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The median of some executions in milliseconds, the pages that one of them touched, and how it went about it."""

    milliseconds: float
    pages: int
    indexes: tuple[str, ...]
    read_whole: tuple[str, ...]

    @property
    def how(self) -> str:
        """The tables read from end to end, in capitals, then the indexes used."""
        return ", ".join([*(f"ALL OF {table}" for table in self.read_whole), *self.indexes]) or "no table"


def measure(connection: psycopg.Connection[Any], name: str, parameters: Mapping[str, Any]) -> Measured:
    """Execute a named statement a few times, warm, each rolled back."""
    begun, plans = time.monotonic(), list[dict[str, Any]]()
    while len(plans) < REPEATS and (not plans or time.monotonic() - begun < ENOUGH_SECONDS):
        with connection.transaction(force_rollback=True):
            row = connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql(name)}".encode(), parameters
            ).fetchone()
        assert row is not None
        plans.append((json.loads(row[0]) if isinstance(row[0], str) else row[0])[0])
    # The first one warms the cache, unless it is the only one.
    times = [plan["Execution Time"] for plan in plans[1:] or plans]
    nodes = [node for node in _nodes(plans[-1]["Plan"]) if node["Actual Loops"]]
    whole = {n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"} & GROWING
    top = plans[-1]["Plan"]
    return Measured(
        median(times),
        top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        tuple(sorted({node["Index Name"] for node in nodes if "Index Name" in node})),
        tuple(sorted(whole)),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
