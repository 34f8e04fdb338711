"""The version of this distribution."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return it, or `unknown` where the distribution is not installed."""
    try:
        return metadata.version("ximilar-sync")
    except metadata.PackageNotFoundError:
        return "unknown"
