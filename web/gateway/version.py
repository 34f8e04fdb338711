"""The version of this distribution, looked up once: that reads all of its metadata, half a MiB for each process."""

from __future__ import annotations

import functools
from importlib import metadata


@functools.cache
def version() -> str:
    """Return it, or `unknown` where the distribution is not installed."""
    try:
        return metadata.version("ximilar-sync")
    except metadata.PackageNotFoundError:
        return "unknown"
