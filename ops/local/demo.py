"""One sync from beginning to end, on fresh tables, with a verdict."""

from __future__ import annotations

import os
import time

from rich.console import Console

from ops.local import database, products, report, staging, watch
from ops.local.database import Database
from ops.local.system import STATE, Options, System, alone, running

DATABASE = "unde_demo"
SLACK_SECONDS = 90  # over three times what the rate limit asks for


def demo(options: Options, console: Console) -> bool:
    """Run the demo; return whether all came out as expected."""
    given_url = os.environ.get("DEMO_DB_URL", "")
    with alone(), database.opened(STATE, DATABASE, given_url) as prepared:
        step(console, "Postgres", prepared.place)
        _empty(prepared)
        with running(prepared, options) as system:
            seconds = _sync(system, console)
            return report.show(console, report.judge(system), seconds=seconds)


def step(console: Console, subject: str, detail: str) -> None:
    """Print one line of the beginning."""
    console.print(f"{subject:<11} {detail}", highlight=False, markup=False, soft_wrap=True)


def describe(system: System, console: Console) -> None:
    """Print what runs."""
    catalogue, options = system.catalogue, system.options
    step(console, "Photos", f"{system.photos.url}, from {catalogue.images}")
    limits = f"{options.rate} requests a second, latency {options.delay * 1000:.0f} ms"
    step(console, "Emulator", f"{system.emulator.url}, profile {options.profile}, {limits}")
    step(console, "Services", ", ".join(system.start_services()))


def _empty(prepared: Database) -> None:
    with prepared.owner() as owner:
        staging.empty(owner)


def _sync(system: System, console: Console) -> float:
    """Load the catalogue, run one ximilar_sync; return its seconds."""
    catalogue = system.catalogue
    step(console, "Schema", f"{len(system.migrate().splitlines())} migrations applied")
    with system.database.owner() as owner:
        products.load(owner, catalogue.products, system.photos.url)
        step(console, "Catalogue", f"{len(catalogue.products)} products, {catalogue.photos()} photos")
        describe(system, console)
        started = time.monotonic()
        system.defer("ximilar_sync")
        step(console, "Deferred", "procrastinate --app=procrastinate_app.main.app defer ximilar_sync")
        limit = SLACK_SECONDS + 3 * catalogue.photos() / system.options.rate
        check = system.programs.check
        watch.follow(owner, console, products=len(catalogue.products), seconds=limit, check=check)
        return time.monotonic() - started
