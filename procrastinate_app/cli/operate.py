"""Commands that run and check the system: worker, migrate, config, health."""

from __future__ import annotations

import argparse

import psycopg

from .. import deadlines, migrations, supervisor
from ..app import demand_worker_settings
from ..database import conninfo, open_database
from ..process import this_process
from ..settings import VARIABLES, WORKER, Settings, masked
from .output import Output


def worker(_arguments: argparse.Namespace, settings: Settings, _output: Output) -> int:
    """Run a worker in the foreground."""
    demand_worker_settings(settings)
    return supervisor.supervise(settings)


def migrate(_arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Bring the schema up to date."""
    applied = migrations.migrate(settings.staging_db_url)
    if output.as_json:
        output.document({"applied": applied})
    else:
        output.line("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")
    return 0


def config(_arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Show the settings and what a worker would still miss."""
    for variable, url in (
        ("STAGING_DB_URL", settings.staging_db_url),
        ("STAGING_DB_LISTEN_URL", settings.staging_db_listen_url),
    ):
        conninfo(url, variable=variable)
    values, missing = masked(settings), settings.missing(WORKER)
    if output.as_json:
        output.document({"settings": values, "missing": missing})
    else:
        meanings = {variable.name: variable.meaning for variable in VARIABLES}
        rows = [
            {"variable": name, "value": value or "(not set)", "meaning": meanings[name]}
            for name, value in values.items()
        ]
        output.table("Settings", rows)
        output.line("\n".join(f"{name} is not set; a worker needs it" for name in missing) or "complete")
    return 1 if missing else 0


async def health(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Say whether a worker is alive, by its own heartbeat in the database."""
    try:
        async with open_database(settings.staging_db_url, max_size=1) as database:
            workers = await database.all("list_workers")
    except psycopg.Error as error:
        reason = f"no database: {type(error).__name__}"
        return _tell(output, alive=0, reason=reason)
    here = [row for row in workers if arguments.any or row["host"] == this_process().host]
    alive = [row for row in here if row["silent_seconds"] < deadlines.SILENT]
    return _tell(output, alive=len(alive), reason="" if alive else f"{len(here)} registered, none beating")


def _tell(output: Output, *, alive: int, reason: str) -> int:
    if output.as_json:
        output.document({"healthy": alive > 0, "workers": alive, "reason": reason or None})
    else:
        output.line(f"healthy: {alive} worker(s)" if alive else f"unhealthy: {reason}")
    return 0 if alive else 1
