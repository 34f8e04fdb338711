"""The operators' console of the local system, with one user whose password lies in a file beside the state."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from ops.local.loopback import HOST, usual_port
from ops.local.programs import Program, Programs
from web.console.users import OPERATOR, hash_password

USER = "operator"
SIGN_IN_FILE = "console-password"
USERS_FILE = "console-users"

CONSOLE = Program(
    "console",
    (
        *(sys.executable, "-m", "gunicorn"),
        *("-c", "web/console/gunicorn.conf.py", "web.console.wsgi:application"),
    ),
    ready=r"Listening at: (http://[0-9.:]+)",
)


def start(programs: Programs, state: Path) -> str:
    """Start the console; return its address, and where the password is. The password itself is printed nowhere."""
    password_file, users_file = state / SIGN_IN_FILE, state / USERS_FILE
    if not password_file.exists() or not users_file.exists():
        password = secrets.token_urlsafe(12)
        _write(password_file, f"{password}\n")
        _write(users_file, f"{USER}:{OPERATOR}:{hash_password(password)}\n")
    programs.environ |= {
        "CONSOLE_HOST": HOST,
        "CONSOLE_PORT": str(usual_port(8002)),
        "CONSOLE_USERS_FILE": str(users_file),
    }
    url = programs.start(CONSOLE).group(1)
    return f"{url}, sign in as {USER}; the password is in {state.name}/{SIGN_IN_FILE}"


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
