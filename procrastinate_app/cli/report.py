"""Commands that answer questions: status, runs, errors, product."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

from croniter import croniter

from .. import credit, deadlines
from ..database import Database, Row, open_database
from ..schedule import crons
from ..settings import Settings
from ..ximilar.errors import XimilarError
from .output import Output, instant

ATTEMPTS_SHOWN = 20
CREDITS_SECONDS = 5.0  # then the rest is shown without them


async def status(_arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Products by state, the open runs, the throttle, the workers and the next ticks."""
    async with open_database(settings.staging_db_url, max_size=1) as database:
        facts = await _status(database, settings)
    if output.as_json:
        output.document(facts)
        return 0
    for warning in facts["warnings"]:
        output.line(f"WARNING: {warning}")
    output.table("Products", facts["products"])
    output.table(
        "Runs now", facts["runs"], ("id", "kind", "fetched", "synced", "errors", "remaining", "seconds")
    )
    output.table("Jobs waiting and running", facts["jobs"])
    output.table("Throttle", [facts["throttle"]])
    shown = ("host", "pid", "jobs", "concurrency", "listening", "silent_seconds", "started_at", "version")
    output.table("Workers", facts["workers"], shown)
    output.table(
        "Collection and catalogue, when last compared", [facts["comparison"]] if facts["comparison"] else []
    )
    output.table("Credits", [facts["credits"]] if facts["credits"] else [])
    output.table("Schedule", facts["schedule"])
    return 0


async def runs(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """The latest runs, newest first."""
    async with open_database(settings.staging_db_url, max_size=1) as database:
        rows = await database.all("list_runs", limit=arguments.limit)
    if output.as_json:
        output.document({"runs": rows})
    else:
        output.table("Runs", rows)
    return 0


async def errors(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Products in error by cause, the most frequent first; exit code 1 if there are any."""
    async with open_database(settings.staging_db_url, max_size=1) as database:
        rows = await database.all("errors_by_cause", examples=arguments.examples)
    if output.as_json:
        output.document({"causes": rows})
        return 1 if rows else 0
    output.table("Errors by cause", rows, ("products", "cause", "code"))
    for row in rows:
        for example in row["examples"] or ():
            output.line(f"{row['cause']}: {example['sku']}: {example['reason']}")
    return 1 if rows else 0


async def product(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Everything known about the rows of one SKU; exit code 1 if there is none."""
    async with open_database(settings.staging_db_url, max_size=1) as database:
        found = await database.all("find_products", sku=arguments.sku)
        facts = [await _product(database, row) for row in found]
    if output.as_json:
        output.document({"products": facts})
    elif not facts:
        output.line(f"no product {arguments.sku}")
    for fact in () if output.as_json else facts:
        _show_product(fact, output)
    return 0 if facts else 1


async def _status(database: Database, settings: Settings) -> dict[str, Any]:
    open_runs = [row["id"] for row in await database.all("open_runs")]
    throttle = await database.one("throttle_state") or {}
    workers = await database.all("list_workers")
    comparison = await database.one("last_pass")
    account = await asyncio.to_thread(_credits, settings)
    return {
        "warnings": [*_warnings(throttle, workers, comparison), *_warnings_of(account)],
        "products": await database.all("products_by_state"),
        "runs": [await database.one("run_progress", run_id=run_id) for run_id in open_runs],
        "jobs": await database.all("job_counts"),
        "throttle": {**throttle, "rate": throttle.get("rate") or settings.rate_limit},
        "workers": workers,
        "comparison": comparison,
        "credits": account,
        "schedule": await _schedule(database, settings),
    }


def _warnings(throttle: Row, workers: list[Row], comparison: Row | None) -> list[str]:
    warnings = []
    if comparison is not None and comparison["held"]:
        held = comparison["held"]
        warnings.append(f"{held} removals are held: look, then `ximilar-sync reconcile --apply {held}`")
    if throttle.get("cause"):
        said = " ".join(str(part) for part in (throttle["code"], throttle["text"]) if part)
        warnings.append(f"the account is paused: {throttle['cause']} ({said})")
    if not any(row["silent_seconds"] < deadlines.SILENT for row in workers):
        warnings.append("no worker is alive")
    return warnings


def _credits(settings: Settings) -> Row | None:
    """What the account says of its credits, or why it does not; None where nobody can ask."""
    facts: Row = {"left": None, "limit": None, "warn_below": settings.credits_warn, "failure": None}
    try:
        found = credit.ask(settings, seconds=CREDITS_SECONDS)
    except XimilarError as error:
        return {**facts, "failure": error.reason}
    return None if found is None else {**facts, "left": found.left, "limit": found.limit}


def _warnings_of(account: Row | None) -> list[str]:
    if account is None or account["left"] is None or account["left"] >= account["warn_below"]:
        return []
    return [f"{account['left']} credits are left, fewer than {account['warn_below']} (XIMILAR_CREDITS_WARN)"]


async def _schedule(database: Database, settings: Settings) -> list[dict[str, Any]]:
    ticks = {row["task"]: row["tick"] for row in await database.all("last_ticks")}
    return [
        {
            "task": task,
            "cron": cron,
            "last": instant(ticks[task]) if task in ticks else None,
            "next": instant(croniter(cron, time.time()).get_next(float)),
        }
        for task, cron in crons(settings.reconcile_cron).items()
    ]


async def _product(database: Database, row: Row) -> dict[str, Any]:
    product_id = row["id"]
    return {
        **row,
        "stored": await database.all("stored_photos", product_id=product_id),
        "attempts": await database.all("attempts_of_product", product_id=product_id, limit=ATTEMPTS_SHOWN),
        "jobs": await database.all("jobs_of_product", product_id=product_id),
    }


def _show_product(fact: dict[str, Any], output: Output) -> None:
    lists = ("stored", "attempts", "jobs")
    rows = [{"field": name, "value": value} for name, value in fact.items() if name not in lists]
    output.table(f"Product {fact['sku']}", rows)
    output.table("Photos in the collection", fact["stored"])
    output.table("Attempts, newest first", fact["attempts"])
    output.table("Jobs", fact["jobs"])
