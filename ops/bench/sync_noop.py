"""Bare procrastinate, with its defaults and a task that does nothing: what a queue of this kind can do at best here."""

from __future__ import annotations

import os

import procrastinate


async def noop(product_id: int) -> None:
    """Nothing."""


app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ.get("BENCH_DB_URL", "")))
app.task(name="noop")(noop)
