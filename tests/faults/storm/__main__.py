"""`python -m tests.faults.storm --seconds 600 --seed 1`: exit code 0 if nothing was lost, else 1.

While the storm lasts, faults are drawn from the seed and products change; then it is calm until the collection is
what the catalogue says, for CALM_SECONDS at most; then the verdict.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

import psycopg

from ops.local.check import Check

from . import schedule, verdict
from .callers import Callers
from .nemesis import Nemesis
from .scrapers import Scrapers
from .world import Size, World, opened

PRODUCTS = 5000
FULL_SECONDS = 600.0
EDITS_A_SECOND = 6.0
RATE = 50
CALM_SECONDS = 300.0
SETTLE_SECONDS = 3.0
TASKS = ("ximilar_sync", "ximilar_retry", "reconcile", "rescue_stalled")


def main(argv: list[str] | None = None) -> int:
    """Let the storm rage, and judge."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    products = options.products or min(PRODUCTS, round(PRODUCTS * options.seconds / FULL_SECONDS))
    faults = schedule.draw(options.seed, options.seconds)
    say(f"storm: seed {options.seed}, {options.seconds:g} s, profile {options.profile}")
    say(f"{products} products, {EDITS_A_SECOND:g} edits a second, the limit is {RATE} requests a second")
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # the database goes away on purpose
    with opened(Size(products, RATE, options.profile)) as world:
        checks = _rage(world, faults, options)
        wrong = _show(checks)
        if wrong:
            raise SystemExit(
                f"seed {options.seed}: {wrong} not as they have to be; the logs are in {world.folder}"
            )
    return 0


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def _rage(world: World, faults: list[schedule.Fault], options: argparse.Namespace) -> list[Check]:
    scrapers = Scrapers(world, options.seed, edits=EDITS_A_SECOND)
    scrapers.fill(world.size.products)
    nemesis = Nemesis(world, scrapers, options.seed)
    say(f"{len(faults)} faults:")
    callers = Callers(world)
    with callers:
        with scrapers:
            nemesis.play(faults, options.seconds, say)
        took = _calm(world)
    say(f"edits: {', '.join(f'{count} {kind}' for kind, count in scrapers.done.most_common())}")
    settled = Check("seconds of calm until all was right", f"{took:.0f}", right=took < CALM_SECONDS)
    return [settled, *verdict.judge(world, callers, nemesis)]


def _calm(world: World) -> float:
    """Let the periodic tasks come by until the collection is right and nobody works; return the seconds it took."""
    began, clock = time.monotonic(), threading.Event()
    while (took := time.monotonic() - began) < CALM_SECONDS:
        world.query(
            "UPDATE public.raw_products SET updated_at = now() - interval '7 hours'"
            " WHERE ximilar_status = 'error' RETURNING 1"
        )
        for task in TASKS:
            world.run_task(task)
        clock.wait(SETTLE_SECONDS)
        if _idle(world) and verdict.compare(world).none:
            return took
    return took


def _idle(world: World) -> bool:
    left = (
        "SELECT count(*) FROM ximilar.procrastinate_jobs"
        " WHERE queue_name = 'products' AND status IN ('todo', 'doing')"
    )
    try:
        return world.query(left) == [(0,)]
    except psycopg.OperationalError:
        return False


def _show(checks: list[Check]) -> int:
    say("")
    for check in checks:
        say(f"{'ok   ' if check.right else 'WRONG'} {check.subject:<36} {check.seen}")
    return sum(not check.right for check in checks)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS, help="how long the storm lasts (600)")
    parser.add_argument("--seed", type=int, default=1, help="what the faults and edits are drawn from (1)")
    parser.add_argument("--products", type=int, default=0, help="how many; 0: as many as fit (5000 in 600 s)")
    parser.add_argument("--profile", default="recognition", help="how Ximilar is spoken to (recognition)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
