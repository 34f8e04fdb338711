"""The command line: which commands there are, and the exit codes they share.

0 all is well; 1 what was asked about is not well; 2 wrong usage; 69 no database; 78 wrong settings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException

from .. import environment, logs
from ..app import SchemaError
from ..environment import EX_CONFIG, SettingsError
from ..migrations import MigrationError
from ..settings import DATABASE, WORKER, Settings
from ..supervisor import EX_UNAVAILABLE
from . import compare, enqueue, exporter, operate, probe, report
from .output import Output

Handler = Callable[[argparse.Namespace, Settings, Output], "int | Coroutine[Any, Any, int]"]

DESCRIPTION = """\
Brings the product photos of Staging into Ximilar's visual-search collection.

exit codes: 0 all is well; 1 what was asked about is not well; 2 wrong usage; 69 no database; 78 wrong settings"""

EXAMPLES = """\
examples:
  ximilar-sync migrate                 bring the schema up to date
  ximilar-sync worker                  run a worker
  ximilar-sync sync --dry-run          how much there is to do, and how long it takes
  ximilar-sync sync --wait             start a sync now and watch it
  ximilar-sync verify                  is the collection what the catalogue says?
  ximilar-sync errors                  what went wrong, by cause
  ximilar-sync product SKU-0042        everything known about one product
  ximilar-sync status --json | jq .    for programs
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    output = Output(as_json=arguments.json)
    try:
        environ = environment.load()
        if arguments.command == "config":
            return operate.config(environ, output)
        settings = Settings.from_env(environ, arguments.needs)
        logs.configure(
            settings.log_level, settings.log_format, secrets=settings.secrets, stream=arguments.logs_to
        )
        handler: Handler = arguments.handler
        done = handler(arguments, settings, output)
        return done if isinstance(done, int) else asyncio.run(done)
    except (SettingsError, SchemaError) as error:
        return _fail(str(error), EX_CONFIG)
    except MigrationError as error:
        return _fail(str(error), 1)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction):
        return _fail("the schema `ximilar` is not there yet, or not complete: run `ximilar-sync migrate`", 1)
    except (psycopg.OperationalError, ConnectorException) as error:
        return _fail(f"the database cannot be reached or refused: {_first_line(error)}", EX_UNAVAILABLE)
    except KeyboardInterrupt:
        return 130


def make_parser() -> argparse.ArgumentParser:
    """Build the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="ximilar-sync",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = _Commands(commands)
    _add_operating(add)
    _add_enqueueing(add)
    _add_comparing(add)
    _add_asking(add)
    _add_reports(add)
    return parser


class _Commands:
    """Adds commands that share --json, an example and the settings they need."""

    def __init__(self, subparsers: Any) -> None:
        self._subparsers = subparsers

    def __call__(
        self,
        name: str,
        handler: Handler | None,
        help: str,
        example: str,
        *,
        needs: frozenset[str] = DATABASE,
        logs_to: Any = None,
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = self._subparsers.add_parser(
            name,
            help=help,
            description=help,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
        # Events go to stdout only where they are what one runs the command for.
        command.set_defaults(handler=handler, needs=needs, logs_to=logs_to or sys.stderr)
        return command


def _add_operating(add: _Commands) -> None:
    add(
        "worker",
        operate.worker,
        "run a worker until SIGTERM; survives the database's absence",
        "ximilar-sync worker",
        needs=WORKER,
        logs_to=sys.stdout,
    )
    add(
        "exporter",
        exporter.exporter,
        "serve Prometheus' metrics until SIGTERM, with or without a database",
        "ximilar-sync exporter",
        logs_to=sys.stdout,
    )
    add("migrate", operate.migrate, "bring the schema `ximilar` up to date", "ximilar-sync migrate")
    add(
        "config",
        None,
        "show the settings, secrets masked, and check them without touching the network",
        "ximilar-sync config",
    )
    health = add(
        "health",
        operate.health,
        "exit 0 if a worker on this host is alive, for containers and systemd",
        "ximilar-sync health --any",
    )
    health.add_argument("--any", action="store_true", help="a worker on any host will do")


def _add_enqueueing(add: _Commands) -> None:
    for name, what in (("sync", "pending"), ("retry", "in error for over six hours")):
        command = add(
            name, enqueue.run_now, f"start a run over the products {what}, now", f"ximilar-sync {name} --wait"
        )
        command.add_argument(
            "--wait", action="store_true", help="watch it until it ends; exit 1 unless success"
        )
        command.add_argument("--dry-run", action="store_true", help="only say how much there is to do")
        command.add_argument(
            "--drain", action="store_true", help="go on, a run after the other, until nothing is left"
        )
    resend = add(
        "resend", enqueue.resend, "send all photos of products again", "ximilar-sync resend SKU-0042"
    )
    which = resend.add_mutually_exclusive_group(required=True)
    which.add_argument("sku", nargs="?", metavar="SKU")
    which.add_argument("--all", action="store_true", help="every synced product: this is paid for again")
    add(
        "adopt",
        enqueue.adopt,
        "record the photos of products that are `synced` already as stored (once, at the cut-over)",
        "ximilar-sync adopt",
        needs=DATABASE | {"XIMILAR_COLLECTION_ID"},
    )


def _add_comparing(add: _Commands) -> None:
    needs = DATABASE | {"XIMILAR_COLLECTION_ID"}
    reconcile = add(
        "reconcile",
        compare.reconcile,
        "compare the collection with the catalogue and queue what makes it true (daily by itself); exit 1: held",
        "ximilar-sync reconcile --dry-run; ximilar-sync reconcile --apply 1234",
        needs=needs,
    )
    how = reconcile.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="only list it; nothing is written")
    how.add_argument("--fix", action="store_true", help="queue it: what is done without --dry-run as well")
    how.add_argument(
        "--apply",
        type=int,
        metavar="N",
        help="look again, then remove what is held if it is at most N products; else exit 1",
    )
    verify = add(
        "verify",
        compare.verify,
        "list where collection and catalogue differ; exit 1 if they do",
        "ximilar-sync verify --sample 100",
        needs=needs,
    )
    verify.add_argument("--fix", action="store_true", help="also queue what makes it true, as reconcile does")
    verify.add_argument(
        "--sample",
        type=int,
        default=0,
        metavar="N",
        help="search N synced products with their own photo and report recall; this is paid for",
    )


def _add_asking(add: _Commands) -> None:
    asking = add(
        "probe",
        probe.probe,
        "ask Ximilar, with the real token, what its documents leave open; about a minute, and paid for",
        "ximilar-sync probe --dry-run; ximilar-sync probe --photo https://example.com/photo.jpg",
        needs=frozenset(),
    )
    asking.add_argument(
        "--dry-run", action="store_true", help="list the calls and what they cost; needs nothing"
    )
    asking.add_argument(
        "--photo", metavar="URL", help="a public photo of a garment; default: one of Staging's"
    )


def _add_reports(add: _Commands) -> None:
    add(
        "status",
        report.status,
        "products, the current run, throttle, workers, next ticks",
        "ximilar-sync status",
    )
    runs = add("runs", report.runs, "the latest runs", "ximilar-sync runs --limit 5")
    runs.add_argument("--limit", type=int, default=20)
    errors = add("errors", report.errors, "products in error, grouped by cause", "ximilar-sync errors")
    errors.add_argument("--examples", type=int, default=3, help="products shown for each cause")
    product = add(
        "product", report.product, "everything known about a product", "ximilar-sync product SKU-0042"
    )
    product.add_argument("sku", metavar="SKU")


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
