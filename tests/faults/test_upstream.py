"""Ximilar refuses, dawdles, breaks off and talks nonsense while a catalogue is synced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fix_drill import Drill
from tests.fix_proxy import FaultProxy
from tests.fix_system import BOTH_PROFILES, wait_until

FAULTS: dict[str, tuple[dict[str, Any], int]] = {
    "stored, then dropped": ({"kind": "drop", "apply": True}, 4),
    "dropped": ({"kind": "drop"}, 4),
    "HTML": ({"kind": "html"}, 4),
    "garbage": ({"kind": "garbage"}, 4),
    "an empty answer": ({"kind": "status", "status": 200, "text": ""}, 4),
    "half an answer": ({"kind": "status", "status": 200, "text": '{"status":{"co'}, 4),
    "five megabytes": ({"kind": "huge"}, 4),
    "one byte a second": ({"kind": "dribble", "seconds": 1}, 2),
    "silence": ({"kind": "hang", "seconds": 60}, 2),
    "redirect": ({"kind": "redirect"}, 4),
    "503": ({"kind": "status", "status": 503}, 4),
}
RETRY_AFTER = {"3 s": "3", "negative": "-5", "absurd": "soon", "none": None}


@pytest.mark.drill
@pytest.mark.timeout(400)
@BOTH_PROFILES
@pytest.mark.parametrize("name", FAULTS)
def test_upstream_faults(drill: Drill, name: str) -> None:
    """None is the photos' fault, so none of them ends in `error`."""
    system = drill.system
    fault, times = FAULTS[name]
    system.emulator.settings(delay=0.05)
    worker = system.worker()
    system.emulator.play(fault, times=times)
    drill.begin(30, sent=1)
    drill.judge(again=times, seconds=250)
    assert worker.process.poll() is None


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", RETRY_AFTER)
def test_storm_of_429(drill: Drill, name: str) -> None:
    """All stop at once; a pause ends with one call, not with a crowd."""
    system, after = drill.system, RETRY_AFTER[name]
    workers = [system.worker(), system.worker()]
    headers = {} if after is None else {"Retry-After": after}
    drill.begin(40, sent=5)
    storm = 12
    system.emulator.play({"kind": "status", "status": 429, "headers": headers})
    wait_until(lambda: played(drill) >= storm or paused(drill), 60, system.tails)
    wait_until(lambda: played(drill) >= 3, 90, system.tails)
    system.emulator.heal()
    drill.healed()
    drill.wait_for_recovery(90)
    drill.figures["429s"] = played(drill)
    drill.judge(again=0, seconds=150)
    assert [worker.process.poll() for worker in workers] == [None, None]


def played(drill: Drill) -> int:
    """How many calls were answered with 429."""
    return sum(call["status"] == 429 for call in drill.system.emulator.calls())


def paused(drill: Drill) -> bool:
    """Whether the account is paused."""
    return drill.system.query("SELECT pause_cause IS NOT NULL FROM ximilar.throttle") == [(True,)]


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", ["reset in the answer", "cut in the answer", "slow both ways"])
def test_the_way_to_ximilar(drill: Drill, start_proxy: Callable[[str], FaultProxy], how: str) -> None:
    system, proxy = drill.system, start_proxy(drill.system.emulator.url)
    worker = system.worker(XIMILAR_API_URL=proxy.address(system.emulator.url))
    if how == "slow both ways":
        proxy.delay(0.3)
    drill.begin(30, sent=3)
    for _ in range(3):
        if how == "reset in the answer":
            proxy.cut_after(10, "down")
        elif how == "cut in the answer":
            proxy.cut()
        drill.wait_for_photos(min(30, len(system.emulator.photos()) + 3))
    drill.judge(again=12, seconds=250)
    assert worker.process.poll() is None
