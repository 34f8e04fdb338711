"""`python -m web.gateway token NAME` makes a bearer token and the line for GATEWAY_TOKENS_FILE."""

from __future__ import annotations

import sys

from . import callers


def main(arguments: list[str]) -> int:
    """Print a new token for the caller named; return the exit code."""
    if len(arguments) != 2 or arguments[0] != "token":
        print("usage: python -m web.gateway token NAME", file=sys.stderr)
        return 2
    token, line = callers.issue(arguments[1])
    try:
        callers.parse(line)
    except callers.TokensFileError:
        print("a name has 1 to 64 letters, digits, '.', '_' or '-'", file=sys.stderr)
        return 2
    print(f"the caller's token, shown this once:\n  {token}\nthe line for GATEWAY_TOKENS_FILE:\n  {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
