"""python -m ops.emulator: start the emulator; README.md beside this file tells what it answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from ops.emulator.server import Listen, Server
from ops.emulator.settings import Settings


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        settings = Settings(options.token, options.collection, options.rate, options.delay, options.capacity)
        log_stream = None if options.log is None else options.log.open("a", encoding="utf-8")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    Server(settings, Listen(options.host, options.port, options.threads), log_stream=log_stream).run()


def _parser() -> argparse.ArgumentParser:
    settings, listen = Settings(), Listen()
    parser = argparse.ArgumentParser(prog="python -m ops.emulator", description="Ximilar on loopback.")
    add = parser.add_argument
    add("--host", default=listen.host, help="address to listen on (%(default)s)")
    add("--port", type=int, default=listen.port, help="port to listen on, 0: any free one (%(default)s)")
    add("--token", default=settings.token, help="the only token accepted (%(default)s)")
    add("--collection", default=settings.collection, help="the only collection there is (%(default)s)")
    add("--rate", type=int, default=settings.rate, help="calls accepted a second, 0: no limit (%(default)s)")
    add("--delay", type=float, default=settings.delay, help="seconds from arrival to answer (%(default)s)")
    add("--capacity", type=int, default=settings.capacity, help="photos it takes, 0: no limit (%(default)s)")
    add("--threads", type=int, default=listen.threads, help="calls served at once (%(default)s)")
    add("--log", type=Path, metavar="FILE", help="append the request log to FILE as JSON lines")
    return parser


if __name__ == "__main__":
    main()
