"""libfaketime shows a program another time of day; the monotonic clock and the times of files stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

LIBRARY = "faketime/libfaketimeMT.so.1"
# Python's sleep asks for a moment of the monotonic clock, which libfaketime counts by the faked one: it fails.
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


def variables(**settings: str) -> dict[str, str]:
    """The environment of a program under libfaketime with these settings; skips where that is not installed."""
    found = next(Path("/usr/lib").glob(f"*/{LIBRARY}"), None)
    if found is None:
        pytest.skip("libfaketime is not installed (apt-get install libfaketime)")
    kept = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    return {"LD_PRELOAD": str(found), **kept, **settings}


class Clock:
    """The time of day of the programs that were started with `variables`; `step` sets it while they run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "clock"
        self._folder.mkdir()
        (self._folder / "sitecustomize.py").write_text(SLEEP)
        self.step("+0")

    @property
    def variables(self) -> dict[str, str]:
        """What a program is to be started with; it looks at its clock anew each second."""
        return variables(
            FAKETIME_TIMESTAMP_FILE=str(self._file),
            FAKETIME_CACHE_DURATION="1",
            PYTHONPATH=str(self._folder),
        )

    @property
    def _file(self) -> Path:
        return self._folder / "time"

    def step(self, by: str) -> None:
        """Set the clock so far from the true time: `-10m`, `+2h`."""
        self._file.write_text(by + "\n")
