"""Who is signed in: a signed cookie without state on the server, and the memory of failed attempts.

The key of a session mixes the console's secret with the user's own line of the users' file, so a new password, a
new role or a removed user ends the sessions at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

from .users import User, Users

COOKIE = "ximilar_console"


class Sessions:
    """Makes and reads the session's cookie; `hours` until it expires."""

    def __init__(self, users: Users, key: str, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._key = (key or secrets.token_hex(32)).encode()
        self._seconds = int(hours * 3600)
        self._clock = clock
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}

    def begin(self, user: User) -> str:
        """Return the cookie of a new session."""
        expires = int(self._clock()) + self._seconds
        said = f"{_text(user.name)}.{expires}.{secrets.token_hex(8)}"
        return f"{said}.{self._signature(said, user)}"

    def user(self, cookie: str | None) -> User | None:
        """Return whose session a cookie is, if it is one. Raises UsersFileError."""
        parts = (cookie or "").split(".")
        if len(parts) != 4:
            return None
        user = self._users.all().get(_name(parts[0]))
        if user is None or not hmac.compare_digest(self._signature(".".join(parts[:3]), user), parts[3]):
            return None
        return user if int(parts[1]) > self._clock() and parts[2] not in self._ended else None

    def end(self, cookie: str | None) -> None:
        """End a session before its time, also for whoever copied its cookie."""
        if cookie is None or self.user(cookie) is None:
            return
        now = self._clock()
        with self._lock:
            self._ended = {name: expires for name, expires in self._ended.items() if expires > now}
            self._ended[cookie.split(".")[2]] = float(cookie.split(".")[1])

    def _signature(self, said: str, user: User) -> str:
        key = hmac.digest(self._key, f"{user.name}:{user.role}:{user.password_hash}".encode(), hashlib.sha256)
        return hmac.new(key, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Failures:
    """Counts failed sign-ins in the last `window` seconds, by address and by address and name."""

    def __init__(
        self,
        *,
        by_name: int = 5,
        by_address: int = 30,
        window: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = (by_name, by_address)
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[tuple[str, ...], list[float]] = {}

    def wait(self, address: str, name: str) -> float:
        """Seconds until another attempt is heard; 0: now."""
        now = self._clock()
        with self._lock:
            return max(self._left(key, limit, now) for key, limit in self._keys(address, name))

    def note(self, address: str, name: str) -> None:
        """Count a failure."""
        now = self._clock()
        with self._lock:
            if len(self._failed) > 10_000:
                self._failed = {
                    key: times for key, times in self._failed.items() if times[-1] > now - self._window
                }
            for key, _ in self._keys(address, name):
                recent = [at for at in self._failed.get(key, []) if at > now - self._window]
                self._failed[key] = [*recent, now]

    def forgive(self, address: str, name: str) -> None:
        """The user has signed in."""
        with self._lock:
            self._failed.pop((address, name), None)

    def _keys(self, address: str, name: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        return ((address, name), self._limits[0]), ((address,), self._limits[1])

    def _left(self, key: tuple[str, ...], limit: int, now: float) -> float:
        recent = [at for at in self._failed.get(key, []) if at > now - self._window]
        return 0.0 if len(recent) < limit else recent[-limit] + self._window - now


def _text(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _name(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""
