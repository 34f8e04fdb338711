"""python -m ops.emulator: start the emulator; README.md beside this file tells what it answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from ops.emulator.server import Listen, Server
from ops.emulator.settings import PROFILES, TOKEN_STATUSES, Settings


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        given = {name: value for name, value in vars(options).items() if name in Settings.__slots__}
        settings = Settings(**{**given, "profiles": tuple(options.profiles or PROFILES)})
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
    add(
        "--credits", type=int, default=settings.credits, help="what credits_counter starts from (%(default)s)"
    )
    add("--mirror-status", action="store_true", help="HTTP status = status.code; else 200")
    add(
        "--token-status",
        type=int,
        choices=TOKEN_STATUSES,
        default=settings.token_status,
        help="HTTP status for a wrong token (%(default)s)",
    )
    add("--bill-duplicates", action="store_true", help="fashion: a refused duplicate costs credits too")
    add("--update-replaces", action="store_true", help="fashion: update drops what it does not name")
    add("--profile", dest="profiles", action="append", choices=PROFILES, help="only this one (all)")
    add("--threads", type=int, default=listen.threads, help="calls served at once (%(default)s)")
    add("--log", type=Path, metavar="FILE", help="append the request log to FILE as JSON lines")
    return parser


if __name__ == "__main__":
    main()
