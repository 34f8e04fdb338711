"""What has been measured, one JSON line each, so that a bench that was interrupted can go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Record:
    """The measurements in `path`; those of a former run are dropped unless `resume`."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.unlink(missing_ok=True)
        lines = path.read_bytes().splitlines() if path.exists() else []
        self._known = dict(msgspec.json.decode(line, type=tuple[str, msgspec.Raw]) for line in lines)

    def once(self, key: str, kind: type[T], measure: Callable[[], T]) -> T:
        """Return what is known under `key`, measured now if nothing is."""
        if key not in self._known:
            measured = measure()
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode((key, measured)) + b"\n")
            return measured
        return msgspec.json.decode(self._known[key], type=kind)
