"""A worker whose clock is wrong by ten minutes: the database's clock decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix_drill import Drill

LIBRARY = "faketime/libfaketimeMT.so.1"


@pytest.mark.drill
@pytest.mark.timeout(300)
@pytest.mark.parametrize("wrong_by", ["-10m", "+10m"])
def test_wrong_clock(drill: Drill, wrong_by: str) -> None:
    """Its ticks may be others'; nothing is taken from the worker beside it, and the limit holds."""
    found = next(Path("/usr/lib").glob(f"*/{LIBRARY}"), None)
    if found is None:
        pytest.skip("libfaketime is not installed (apt-get install libfaketime)")
    system = drill.system
    workers = [
        system.worker(),
        system.worker(LD_PRELOAD=str(found), FAKETIME=wrong_by, FAKETIME_DONT_FAKE_MONOTONIC="1"),
    ]
    system.emulator.play({"kind": "status", "status": 503}, times=2)
    drill.begin(40, photos=2, sent=1)
    drill.judge(again=0, seconds=150)
    rescued = [event for worker in workers for event in worker.events("job_rescued")]
    assert rescued == []
    assert [worker.end() for worker in workers] == [0, 0]
