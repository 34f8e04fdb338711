"""The virtual environment of Ximilar's own client: made once for each set of pins, kept in .local.

`python -m tests.emulator.vendor.environment` makes it, and fails where it cannot.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = Path(__file__).parents[3] / ".local"
INSTALL_SECONDS = 90


class NotInstalled(Exception):
    """The packages cannot be had; the text is what pip said last."""


def python() -> Path:
    """The environment's interpreter; installs it if need be. Raises NotInstalled."""
    pins = f"{sys.version_info[:2]}\n".encode() + REQUIREMENTS.read_bytes()
    folder = FOLDER / f"ximilar-client-{hashlib.sha256(pins).hexdigest()[:12]}"
    interpreter, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder)
        _install(interpreter)
        complete.touch()
    return interpreter


def _install(interpreter: Path) -> None:
    options = [
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--retries",
        "1",
    ]
    command = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "-qq", *options]
    try:
        done = subprocess.run(
            [*command, "-r", str(REQUIREMENTS)],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"pip took over {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        raise NotInstalled((done.stderr.strip().splitlines() or ["pip failed without a word"])[-1])


if __name__ == "__main__":
    print(python())
