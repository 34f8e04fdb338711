"""python -m ops.compose.probe PORT PATH: exit 0 if a program of this container answers 2xx, for health checks.

The image has no curl; a proxy that the environment names is not asked.
"""

from __future__ import annotations

import http.client
import sys

SECONDS = 4.0


def main(arguments: list[str]) -> int:
    """Ask once; return the exit code: 0 answered well, 1 not, 2 wrong usage."""
    if len(arguments) != 2 or not arguments[0].isdigit():
        print("usage: python -m ops.compose.probe PORT PATH", file=sys.stderr)
        return 2
    try:
        status = _status(int(arguments[0]), arguments[1])
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer: {type(error).__name__}", file=sys.stderr)
        return 1
    if not 200 <= status < 300:
        print(f"answered {status}", file=sys.stderr)
        return 1
    return 0


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
