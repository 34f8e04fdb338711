"""Commands that run and check the system: worker, migrate, config, health."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import psycopg

from .. import deadlines, migrations, supervisor
from ..database import conninfo, open_database
from ..environment import EX_CONFIG, SettingsError
from ..process import this_process
from ..settings import VARIABLES, WORKER, Settings, masked
from .output import Output

HEALTH_PATIENCE = 5.0  # seconds; whoever asks for health has a deadline too
DATABASE_URLS = ("STAGING_DB_URL", "STAGING_DB_LISTEN_URL")


def worker(_arguments: argparse.Namespace, settings: Settings, _output: Output) -> int:
    """Run a worker in the foreground."""
    return supervisor.supervise(settings)


def migrate(_arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Bring the schema up to date."""
    applied = migrations.migrate(settings.staging_db_url)
    if output.as_json:
        output.document({"applied": applied})
    else:
        output.line("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")
    return 0


def config(environ: Mapping[str, str], output: Output) -> int:
    """Show the settings and everything a worker would find wrong with them."""
    faults = _faults(environ)
    try:
        values = masked(Settings.from_env(environ, frozenset()))
    except SettingsError:
        values = {}  # a value that cannot be read is not shown either: it may be a secret in the wrong place
    if output.as_json:
        output.document({"settings": values, "faults": faults})
    else:
        meanings = {variable.name: variable.meaning for variable in VARIABLES}
        rows = [
            {"variable": name, "value": value or "(not set)", "meaning": meanings[name]}
            for name, value in values.items()
        ]
        output.table("Settings", rows)
        output.line("\n".join(faults) or "complete")
    return EX_CONFIG if faults else 0


async def health(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Say whether a worker is alive, by its own heartbeat in the database."""
    try:
        async with open_database(settings.staging_db_url, max_size=1, patience=HEALTH_PATIENCE) as database:
            workers = await database.all("list_workers")
    except psycopg.Error as error:
        missing = isinstance(error, psycopg.errors.UndefinedTable)
        reason = (
            "not migrated: run `ximilar-sync migrate`" if missing else f"no database: {type(error).__name__}"
        )
        return _tell(output, alive=0, reason=reason)
    here = [row for row in workers if arguments.any or row["host"] == this_process().host]
    alive = [row for row in here if row["silent_seconds"] < deadlines.SILENT]
    return _tell(output, alive=len(alive), reason="" if alive else f"{len(here)} registered, none beating")


def _faults(environ: Mapping[str, str]) -> list[str]:
    checks: tuple[Callable[[], object], ...] = (
        lambda: Settings.from_env(environ, WORKER),
        *(partial(conninfo, environ.get(name, ""), variable=name) for name in DATABASE_URLS),
    )
    faults: list[str] = []
    for check in checks:
        try:
            check()
        except SettingsError as error:
            faults += str(error).splitlines()
    return faults


def _tell(output: Output, *, alive: int, reason: str) -> int:
    if output.as_json:
        output.document({"healthy": alive > 0, "workers": alive, "reason": reason or None})
    else:
        output.line(f"healthy: {alive} worker(s)" if alive else f"unhealthy: {reason}")
    return 0 if alive else 1
