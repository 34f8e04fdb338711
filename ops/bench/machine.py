"""The machine a bench runs on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> str:
    """Return processors, kernel and Python."""
    models = (line.partition(":")[2].strip() for line in _processors() if line.startswith("model name"))
    return (
        f"{os.cpu_count()} x {next(models, platform.machine())}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processors() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
