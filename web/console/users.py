"""The users' file: one `name:role:hash` a line. `python -m web.console.users add NAME --role operator` writes it.

The file is read again whenever it changes; a line that cannot be read closes the console for everybody, since it
may be the one that was meant to shut somebody out.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import getpass
import hashlib
import hmac
import os
import re
import secrets
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procrastinate_app import environment

ROLES = ("viewer", "operator")
VIEWER, OPERATOR = ROLES
LEAST_PASSWORD = 10

# RFC 7914: 16 MiB and some 50 ms a try.
COST, BLOCK, PARALLEL, BYTES = 2**14, 8, 1, 32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class UsersFileError(ValueError):
    """The users' file is missing or a line of it cannot be read; the message never quotes a hash."""


@dataclass(frozen=True, slots=True)
class User:
    """Who may sign in, and as what. `password_hash` is `scrypt$n$r$p$salt$key`, the last two in base64."""

    name: str
    role: str
    password_hash: str = field(repr=False)

    @property
    def may_act(self) -> bool:
        """Whether this is an operator."""
        return self.role == OPERATOR


class Users:
    """The users of a file, by name; follows the file's changes."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._known: Mapping[str, User] = {}

    def all(self) -> Mapping[str, User]:
        """Return {name: user}; empty where no file is set. Raises UsersFileError."""
        if self._path is None:
            return {}
        with self._lock:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp != self._stamp:
                    self._known, self._stamp = parse(self._path.read_text("utf-8")), stamp
            except (OSError, UnicodeDecodeError) as error:
                self._stamp = None
                raise UsersFileError(f"cannot be read ({type(error).__name__})") from None
            except UsersFileError:
                self._stamp = None
                raise
            return self._known

    def check(self, name: str, password: str) -> User | None:
        """Return the user if the password is right. Takes the same time for a name that does not exist."""
        user = self.all().get(name)
        matches = verify(password, user.password_hash if user else _NOBODY)
        return user if matches else None


def parse(text: str) -> dict[str, User]:
    """Return {name: user}. Raises UsersFileError naming the line."""
    found: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, role, password_hash = _fields(line.strip(), number)
        if name in found:
            raise UsersFileError(f"line {number}: {name} is there twice")
        found[name] = User(name, role, password_hash)
    return found


def hash_password(password: str) -> str:
    """Return a salted hash of a password."""
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    return "$".join(("scrypt", str(COST), str(BLOCK), str(PARALLEL), _base64(salt), _base64(key)))


def verify(password: str, password_hash: str) -> bool:
    """Whether the password is the one that was hashed."""
    n, r, p, salt, key = _parts(password_hash)
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), key)


def _fields(line: str, number: int) -> tuple[str, str, str]:
    parts = line.split(":")
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise UsersFileError(f"line {number} is not name:role:hash")
    if parts[1] not in ROLES:
        raise UsersFileError(f"line {number}: the role must be {' or '.join(ROLES)}")
    try:
        _parts(parts[2])
    except ValueError:
        raise UsersFileError(
            f"line {number}: the hash is none that `python -m web.console.users` writes"
        ) from None
    return parts[0], parts[1], parts[2]


def _parts(password_hash: str) -> tuple[int, int, int, bytes, bytes]:
    kind, n, r, p, salt, key = password_hash.split("$")
    if kind != "scrypt" or not 2**10 <= int(n) <= 2**17 or not 1 <= int(r) <= 16 or not 1 <= int(p) <= 4:
        raise ValueError
    try:
        found = base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(found[0]) < 8 or len(found[1]) < 16:
        raise ValueError
    return int(n), int(r), int(p), *found


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, dklen=BYTES, maxmem=2**28)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


_NOBODY = hash_password(secrets.token_urlsafe(16))


def main(argv: list[str] | None = None) -> int:
    """Add, change, remove or list users; the password is read from a prompt, or from stdin in a pipe."""
    arguments = _make_parser().parse_args(argv)
    path = arguments.file or environment.load().get("CONSOLE_USERS_FILE", "")
    if not path:
        _complain("name the file: --file PATH, or set CONSOLE_USERS_FILE")
        return environment.EX_CONFIG
    try:
        return int(arguments.handler(Path(path), arguments))
    except (UsersFileError, OSError) as error:
        _complain(f"{path} {error}")
        return 1


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m web.console.users", description=main.__doc__)
    parser.add_argument("--file", help="the users' file; else what CONSOLE_USERS_FILE names")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = commands.add_parser("add", help="add a user, or give one a new password or role")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", choices=ROLES, default=VIEWER)
    add.set_defaults(handler=_add)
    remove = commands.add_parser("remove", help="remove a user; the sessions end at once")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(handler=_remove)
    commands.add_parser("list", help="list names and roles").set_defaults(handler=_list)
    return parser


def _add(path: Path, arguments: argparse.Namespace) -> int:
    if not _NAME.fullmatch(arguments.name):
        _complain("a name has letters, digits and . _ @ -, 64 at most")
        return 2
    users = _read(path)
    password = _ask_password()
    if len(password) < LEAST_PASSWORD:
        _complain(f"a password has at least {LEAST_PASSWORD} characters")
        return 1
    known = arguments.name in users
    users[arguments.name] = User(arguments.name, arguments.role, hash_password(password))
    _write(path, users)
    _say(f"{'changed' if known else 'added'} {arguments.name}, {arguments.role}")
    return 0


def _remove(path: Path, arguments: argparse.Namespace) -> int:
    users = _read(path)
    if users.pop(arguments.name, None) is None:
        _complain(f"there is no {arguments.name}")
        return 1
    _write(path, users)
    _say(f"removed {arguments.name}")
    return 0


def _list(path: Path, _arguments: argparse.Namespace) -> int:
    for user in _read(path).values():
        _say(f"{user.name}\t{user.role}")
    return 0


def _ask_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    return password if password == getpass.getpass("Once more: ") else ""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _read(path: Path) -> dict[str, User]:
    return parse(path.read_text("utf-8")) if path.exists() else {}


def _write(path: Path, users: Mapping[str, User]) -> None:
    """Replace the file in one step, readable by its owner only; a mode that was set by hand is kept."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{user.name}:{user.role}:{user.password_hash}\n" for user in users.values())
    os.chmod(name, mode)
    os.replace(name, path)


if __name__ == "__main__":
    sys.exit(main())
