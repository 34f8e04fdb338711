"""A worker whose clock is wrong by ten minutes: the database's clock decides."""

from __future__ import annotations

import pytest

from tests import faketime
from tests.fix_drill import Drill


@pytest.mark.drill
@pytest.mark.timeout(300)
@pytest.mark.parametrize("wrong_by", ["-10m", "+10m"])
def test_wrong_clock(drill: Drill, wrong_by: str) -> None:
    """Its ticks may be others'; nothing is taken from the worker beside it, and the limit holds."""
    system = drill.system
    workers = [system.worker(), system.worker(**faketime.variables(FAKETIME=wrong_by))]
    system.emulator.play({"kind": "status", "status": 503}, times=2)
    drill.begin(40, photos=2, sent=1)
    drill.judge(again=0, seconds=150)
    rescued = [event for worker in workers for event in worker.events("job_rescued")]
    assert rescued == []
    assert [worker.end() for worker in workers] == [0, 0]
