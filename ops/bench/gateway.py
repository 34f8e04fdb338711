"""The gateway beside the old design, beside nginx and beside the upstream alone, each design at its best.

Every request asks for another photo: /detect, /tag and /search in turn. Our gateway has on what production has:
validation, metrics, request ids, callers' tokens and the access log, into a file; its cache is off but where it
is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial

from ops.bench import gateway_processes, gateway_report, servers
from ops.bench.gateway_report import CLIENTS_BEHIND, FEW_CLIENTS, Cell, Figures, Loads, Start
from ops.bench.load import Effort, LoadError, load
from ops.bench.machine import machine
from ops.bench.pairs import alternate
from ops.bench.record import Record
from ops.bench.servers import HOME, Server, running
from ops.local.programs import ProgramError

FULL = Effort(rounds=5, seconds=6, warm=2, trial=3)
QUICK = Effort(rounds=1, seconds=2, warm=1, trial=1)
REPEATED = 300  # questions, of those who ask what was asked before
CACHE_SECONDS = 600
NEEDED = {"wrk": "wrk", "cc": "gcc libc6-dev", "nginx": "nginx-light"}
SBIN = "/usr/sbin"  # where Debian puts nginx, and which a user's PATH may lack

DESIGNS = {"old": servers.old, "ours": servers.ours}


def main(options: list[str]) -> int:
    """Measure and print the tables; return 0, or 1 where it cannot be measured."""
    arguments = _parser().parse_args(options)
    os.environ["PATH"] += f":{SBIN}"
    if lacking := [package for program, package in NEEDED.items() if shutil.which(program) is None]:
        print(f"needed and not here: apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 1
    effort = QUICK if arguments.quick else FULL
    print(f"{machine()}; load average {os.getloadavg()[0]:.1f}", flush=True)
    try:
        servers.build_upstream()
        figures = _measure(Record(HOME / "gateway.jsonl", resume=arguments.resume), effort)
    except (LoadError, ProgramError, OSError) as error:
        print(f"{type(error).__name__}: {error}\n--resume goes on from here", file=sys.stderr)
        return 1
    gateway_report.show(figures)
    return 0


def _measure(record: Record, effort: Effort) -> Figures:
    workers = {
        (delay, connections): best
        for delay, clients in CLIENTS_BEHIND.items()
        for connections, best in record.once(
            f"workers {delay:g} s",
            dict[int, dict[str, int]],
            partial(gateway_processes.best, DESIGNS, delay, clients, effort),
        ).items()
    }
    loads = {
        cell: record.once(f"load {cell[0]:g} s {cell[1]}", Loads, partial(_loads, best, cell, effort))
        for cell, best in workers.items()
    }
    few = workers[0.0, FEW_CLIENTS]
    starts = record.once("start", dict[str, list[Start]], partial(_starts, few, effort))
    cached = {
        delay: record.once(
            f"cache {delay:g} s", Loads, partial(_cached, workers[delay, FEW_CLIENTS]["ours"], delay, effort)
        )
        for delay in CLIENTS_BEHIND
    }
    return Figures(workers, loads, starts, cached)


def _loads(workers: Mapping[str, int], cell: Cell, effort: Effort) -> Loads:
    """Load both designs, nginx, and the upstream alone."""
    delay, clients = cell
    print(f"{clients} connections, upstream {delay * 1000:g} ms", flush=True)
    with ExitStack() as stack:
        behind = stack.enter_context(running(servers.upstream(delay)))
        sides = {
            name: stack.enter_context(running(design(behind.url, workers[name])))
            for name, design in DESIGNS.items()
        }
        sides |= {"nginx": stack.enter_context(running(servers.nginx(behind.url))), "upstream": behind}
        return _alternate(sides, clients, effort)


def _starts(workers: Mapping[str, int], effort: Effort) -> dict[str, list[Start]]:
    """Start both designs again and again: the time to the first answer, memory before and under load."""
    print("start and memory", flush=True)
    with running(servers.upstream(0)) as behind:
        return alternate(
            {name: partial(_start, name, behind.url, workers[name], effort) for name in DESIGNS},
            effort.rounds,
        )


def _start(name: str, behind: str, workers: int, effort: Effort) -> Start:
    with running(DESIGNS[name](behind, workers)) as server:
        idle = server.settled_memory()
        load(server, clients=FEW_CLIENTS, seconds=effort.seconds)
        return Start(server.first_answer, idle, server.memory())


def _cached(workers: int, delay: float, effort: Effort) -> Loads:
    """Load our gateway without its cache, and with questions that are in it."""
    print(f"cache, upstream {delay * 1000:g} ms", flush=True)
    with (
        running(servers.upstream(delay)) as behind,
        running(servers.ours(behind.url, workers)) as uncached,
        running(servers.ours(behind.url, workers, cache_seconds=CACHE_SECONDS)) as cached,
    ):
        return _alternate({"uncached": uncached, "hits": cached}, FEW_CLIENTS, effort)


def _alternate(sides: Mapping[str, Server], clients: int, effort: Effort) -> Loads:
    """Load the sides in turn; the one called `hits` is asked what it was asked before."""
    measured = {
        name: partial(load, side, clients=clients, questions=REPEATED if name == "hits" else 0)
        for name, side in sides.items()
    }
    for measure in measured.values():
        with suppress(LoadError):  # the old one may not answer at all in so short a time
            measure(seconds=effort.warm)
    return alternate(
        {name: partial(measure, seconds=effort.seconds) for name, measure in measured.items()}, effort.rounds
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.bench gateway", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round: about three minutes, not twenty"
    )
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has measured")
    return parser
