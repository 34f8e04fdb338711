"""Keeps the whole system running until Ctrl-C; products, ledger and jobs survive for the next time."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from psycopg.rows import dict_row
from rich.console import Console

from ops.local import console as operators_console
from ops.local import database, products, prometheus
from ops.local.database import Database
from ops.local.demo import describe, step
from ops.local.loopback import usual_port
from ops.local.system import STATE, Options, System, alone, running
from procrastinate_app.ximilar.answers import Record

DATABASE = "unde_staging"
ENV_FILE = STATE / "env"

STORED = """
    SELECT photo.url, photo.remote_id, product.external_id AS sku_id, product.brand, product.name, product.category,
           product.price::text AS price, 'AED' AS currency
      FROM ximilar.photos AS photo
      JOIN public.raw_products AS product ON product.id = photo.product_id
     WHERE photo.profile = %s
     ORDER BY photo.stored_at
"""

EXAMPLES = """
Ctrl-C ends it. In another terminal, for instance:

  XIMILAR_ENV_FILE={env} {bin}/ximilar-sync status
  XIMILAR_ENV_FILE={env} {bin}/procrastinate --app=procrastinate_app.main.app defer ximilar_sync
  curl -s {gateway}/detect -H 'Content-Type: application/json' -d '{{"url": "{photo}"}}'
  curl -s {emulator}/_emulator/state
"""


def up(options: Options, console: Console) -> None:
    """Run until interrupted. Raises ProgramError when a program ends by itself."""
    given_url = os.environ.get("DEMO_DB_URL", "")
    with alone(), database.opened(STATE, DATABASE, given_url) as prepared:
        step(console, "Postgres", prepared.place)
        # The gateway's usual port, where nobody has it.
        options = replace(options, gateway_port=options.gateway_port or usual_port(8001))
        with running(prepared, options, photo_port=_photo_port(prepared)) as system:
            step(console, "Schema", system.migrate().strip().splitlines()[-1])
            step(console, "Catalogue", _fill(system))
            describe(system, console)
            step(console, "Console", operators_console.start(system.programs, STATE))
            if options.prometheus:
                step(console, "Prometheus", prometheus.start(system.programs, STATE, system.gateway_url))
            _explain(system, console)
            while True:
                system.programs.check()
                time.sleep(0.5)


def _photo_port(prepared: Database) -> int:
    """Return the port that the stored rows name, so that their addresses stay right; 0 without rows."""
    with prepared.owner() as owner:
        row = owner.execute("SELECT image_urls ->> 0 FROM public.raw_products LIMIT 1").fetchone()
    return (urlsplit(row[0]).port or 0) if row else 0


def _fill(system: System) -> str:
    """Load the catalogue the first time; later give the emulator back what its memory lost."""
    with system.database.owner() as owner, owner.cursor(row_factory=dict_row) as cursor:
        if cursor.execute("SELECT FROM public.raw_products LIMIT 1").rowcount == 0:
            products.load(owner, system.catalogue.products, system.photos.url)
            return f"{len(system.catalogue.products)} products, pending"
        stored = [_record(row) for row in cursor.execute(STORED, [system.options.profile])]
    system.emulator.set_limits(0, 0)
    system.emulator.collect(stored)
    system.emulator.set_limits(system.options.rate, system.options.delay)
    return f"as it was left; {len(stored)} photos in the collection"


def _record(row: dict[str, Any]) -> Record:
    url, remote_id = row.pop("url"), row.pop("remote_id")
    return Record(url, {name: value for name, value in row.items() if value is not None}, remote_id)


def _explain(system: System, console: Console) -> None:
    """Write the settings to a file for other terminals, and say how to use it."""
    environ = system.programs.environ
    names = [
        name for name in environ if name.startswith(("STAGING_", "XIMILAR_")) and name != "XIMILAR_ENV_FILE"
    ]
    ENV_FILE.touch(mode=0o600)
    ENV_FILE.write_text("".join(f"{name}={environ[name]}\n" for name in names), encoding="utf-8")
    text = EXAMPLES.format(
        env=".local/env",
        bin=".venv/bin",
        emulator=system.emulator.url,
        gateway=system.gateway_url,
        photo=f"{system.photos.url}/{system.catalogue.good[0].photos[0]}",
    )
    console.print(text, highlight=False, markup=False, soft_wrap=True)
