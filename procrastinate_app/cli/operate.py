"""Commands that run and check the system: worker, migrate, config, health."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import psycopg

from .. import deadlines, migrations, supervisor
from ..database import Row, conninfo, open_database
from ..environment import EX_CONFIG, SettingsError
from ..process import is_dead, this_process
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
    """Say whether the workers of this machine are alive, by their own heartbeats in the database.

    Each that runs has to beat; with `any` one worker anywhere is enough.
    """
    try:
        async with open_database(settings.staging_db_url, max_size=1, patience=HEALTH_PATIENCE) as database:
            workers = await database.all("beats")
    except psycopg.Error as error:
        missing = isinstance(error, psycopg.errors.UndefinedTable)
        reason = (
            "not migrated: run `ximilar-sync migrate`" if missing else f"no database: {type(error).__name__}"
        )
        return _tell(output, alive=0, reason=reason)
    judged = workers if arguments.any else [row for row in workers if _runs_here(row)]
    silent = sum(row["silent_seconds"] >= deadlines.SILENT for row in judged)
    alive = len(judged) - silent
    if alive == 0:
        return _tell(output, alive=0, reason=f"{len(judged)} registered, none beating")
    if silent and not arguments.any:
        return _tell(output, alive=0, reason=f"{silent} of {len(judged)} does not beat")
    return _tell(output, alive=alive, reason="")


def _runs_here(row: Row) -> bool:
    """Whether it is a process of this machine or container, and has not ended: a restart leaves its row for a while."""
    here = this_process()
    process: str = row["process"]
    return row["host"] == here.host and process.startswith(f"{here.place}/") and not is_dead(process)


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
