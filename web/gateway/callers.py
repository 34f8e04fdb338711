"""Who may call: bearer tokens, kept as hashes in a file that is reread when it changes.

One `name:sha256-of-the-token` a line, `#` begins a comment. A name may stand on two lines, so that a new
token is valid beside the old one while a caller changes over.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from procrastinate_app import logs

RECHECK_SECONDS = 1.0

_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}):([0-9a-fA-F]{64})")
_log = logs.get("gateway")


class TokensFileError(ValueError):
    """The file of tokens cannot be read; the message names the line, never what is on it."""


class Callers:
    """The callers in `path`. Raises TokensFileError when built of a file that cannot be read.

    Later faults of the file leave the callers as they were, with an error in the log.
    """

    def __init__(self, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._clock = clock
        self._checked = clock()
        self._version = self._stamp()
        self._callers = parse(self._read())

    def begin(self) -> None:
        """Serve a process that was forked some time after the file was read.

        Where it has changed since and cannot be read now, nobody is known: some of them may have been withdrawn.
        """
        if self._stamp() != self._version:
            self._callers = []
            self._reread()

    def name_of(self, authorization: bytes) -> str | None:
        """Return the caller whose token an Authorization header carries, else None."""
        self._refresh()
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            return None
        digest = hashlib.sha256(token.strip()).digest()
        found = None
        for name, expected in self._callers:  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(digest, expected):
                found = name
        return found

    def _refresh(self) -> None:
        if self._clock() - self._checked < RECHECK_SECONDS:
            return
        self._checked = self._clock()
        if self._stamp() != self._version:
            self._reread()

    def _reread(self) -> None:
        self._version = self._stamp()
        try:
            self._callers = parse(self._read())
            _log.info("tokens_reread", tokens=len(self._callers))
        except TokensFileError as error:
            _log.error("tokens_unreadable", reason=str(error))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TokensFileError(f"cannot be read: {type(error).__name__}") from None


def parse(text: str) -> list[tuple[str, bytes]]:
    """Return (name, hash) for every line. Raises TokensFileError."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            raise TokensFileError(f"line {number} is not name:sha256")
        found.append((match[1], bytes.fromhex(match[2])))
    if not found:
        raise TokensFileError("names no caller")
    return found


def issue(name: str) -> tuple[str, str]:
    """Return a new token for `name`, and the line to put into the file."""
    token = secrets.token_urlsafe(32)
    return token, f"{name}:{hashlib.sha256(token.encode()).hexdigest()}"
