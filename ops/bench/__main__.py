"""python -m ops.bench [gateway | sync | growth] [options]: the speed of the real processes, seen from outside.

Without a name all of them run, one after the other. Options go to the benches: `--quick` is known to all.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from types import FrameType
from typing import NoReturn

BENCHES = {
    "gateway": "requests through the gateway, beside the old design and beside nginx",
    "sync": "photos and products a second of the workers, beside the old design",
    "growth": "how queries and pages grow with the tables",
}
INTERRUPTED = 130


def main(words: list[str]) -> int:
    """Run the bench named, or all; return the first exit code that is not 0."""
    named = [] if words[:1] and words[0].startswith("--") else words[:1]
    chosen = _parser().parse_args(named).bench
    signal.signal(signal.SIGTERM, _interrupt)  # so that every process is ended in order
    try:
        codes = [_run(name, words[len(named) :]) for name in ([chosen] if chosen else BENCHES)]
    except KeyboardInterrupt:
        return INTERRUPTED
    return next((code for code in codes if code), 0)


def _run(name: str, options: list[str]) -> int:
    # Imported when wanted: each bench has needs of its own.
    code: int = importlib.import_module(f"ops.bench.{name}").main(options)
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    meanings = "\n".join(f"  {name:<9} {meaning}" for name, meaning in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m ops.bench",
        description=f"{__doc__}\n{meanings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bench", nargs="?", choices=tuple(BENCHES))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
