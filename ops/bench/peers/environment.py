"""Virtual environments of the programs ours are compared with: one for each, with its own pinned packages.

They are kept in `.local/bench` and made again when the pins or Python change; `make clean` deletes them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HOME = ROOT / ".local" / "bench"
INSTALL_SECONDS = 600
PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", "--require-hashes")


def python_of(peer: str) -> Path:
    """Return the Python that has what `ops/bench/peers/<peer>/requirements.txt` pins.

    Raises subprocess.SubprocessError where the packages cannot be installed.
    """
    requirements = Path(__file__).with_name(peer) / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = HOME / f"venv-{peer}-{digest}"
    if not home.exists():
        _install(requirements, home)
    return home / "bin" / "python"


def _install(requirements: Path, home: Path) -> None:
    print(f"installing {requirements.relative_to(ROOT)}", flush=True)
    for other in HOME.glob(f"{home.name.rpartition('-')[0]}-*"):
        shutil.rmtree(other)
    draft = home.with_suffix(f".{os.getpid()}")
    _run(sys.executable, "-m", "venv", str(draft))
    _run(str(draft / "bin" / "python"), *PIP, "-r", str(requirements))
    draft.rename(home)  # its Python works under any name; the scripts beside it do not, and are not used


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS)
