"""python -m ops.local demo | up | clean: the whole system on this machine."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psycopg
from rich.console import Console

from ops.local.demo import demo
from ops.local.postgres import Cluster, ClusterError
from ops.local.products import SAMPLE, CatalogueError
from ops.local.programs import ProgramError
from ops.local.staging import ForeignDatabaseError
from ops.local.system import STATE, BusyError, Options, alone
from ops.local.up import up
from ops.local.watch import StuckError
from procrastinate_app.ximilar import profiles

FAILURES = (
    *(BusyError, CatalogueError, ClusterError, ForeignDatabaseError, ProgramError, StuckError),
    *(psycopg.Error, OSError),
)
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 as expected, 1 not, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    _end_in_order_on_signals()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 0 if arguments.command == "up" else INTERRUPTED
    except FAILURES as error:
        print(
            f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error), file=sys.stderr
        )
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "clean":
        _clean()
        return 0
    options = Options(
        arguments.catalogue,
        profile=arguments.profile,
        workers=arguments.workers,
        rate=arguments.rate,
        delay=arguments.delay,
        prometheus=getattr(arguments, "with", None) == "prometheus",
    )
    console = Console()
    if arguments.command == "demo":
        return 0 if demo(options, console) else 1
    up(options, console)
    return 0


def _clean() -> None:
    """Stop a server that was left running and delete the state."""
    with alone():
        Cluster(STATE / "postgres").remove()
    shutil.rmtree(STATE)


def _end_in_order_on_signals() -> None:
    """Treat SIGTERM and SIGHUP as a Ctrl-C; nohup's wish is respected."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in (
        ("demo", "sync a catalogue once, on fresh tables, and judge the result"),
        ("up", "keep everything running until Ctrl-C; the state survives"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.add_argument(
            "--catalogue", type=Path, default=SAMPLE, metavar="FILE", help="products as JSON"
        )
        command.add_argument(
            "--profile", choices=profiles.NAMES, default=profiles.NAMES[0], help="Ximilar's API (%(default)s)"
        )
        command.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (2)")
        command.add_argument("--rate", type=int, default=10, metavar="N", help="requests a second (10)")
        command.add_argument(
            "--delay", type=float, default=0.2, metavar="SECONDS", help="Ximilar's latency (0.2)"
        )
    commands.choices["up"].add_argument(
        "--with",
        choices=("prometheus",),
        help="also start the exporter, and Prometheus where it is installed",
    )
    commands.add_parser("clean", help="stop Postgres and delete the state", description="Delete .local.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
