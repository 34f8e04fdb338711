"""Repairs take their turns at a share of the rate, and lose nobody a slot."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from procrastinate_app.throttle import NoSlot, Throttle
from tests.integration.reconcile.harness import Harness

RATE, SHARE, SLOTS = 100.0, 0.25, 12


async def take(throttle: Throttle, slots: int, *, repair: bool) -> list[float]:
    """When the first of so many slots was asked for, then when each came, one after the other."""
    moments = [time.monotonic()]
    for _ in range(slots):
        await throttle.slot(10.0, repair=repair)
        moments.append(time.monotonic())
    return moments


def test_repairs_keep_to_their_share(harness: Harness) -> None:
    throttle = Throttle(harness.database, RATE, repair_share=SHARE)

    async def two_lanes() -> tuple[list[float], list[float]]:
        repairs, others = await asyncio.gather(
            take(throttle, SLOTS, repair=True), take(throttle, 4 * SLOTS, repair=False)
        )
        return repairs, others

    repairs, others = harness.run(two_lanes())

    gap = 1.1 / RATE
    # Any slot may come late, the first one, too: behind others', or on a busy machine. But none comes before its turn,
    # and no turn before the first was asked for.
    assert repairs[-1] - repairs[0] >= (SLOTS - 1) * gap / SHARE
    # Both lanes are one limit ...
    assert all(b - a > 0 for a, b in itertools.pairwise(sorted(repairs[1:] + others[1:])))
    assert max(repairs + others) - min(repairs + others) >= (5 * SLOTS - 1) * gap
    # ... and what repairs leave is used by the others.
    assert others[-1] - others[0] < 5 * SLOTS * gap * 1.5


def test_a_turn_that_is_too_far_away_is_not_waited_for(harness: Harness) -> None:
    throttle = Throttle(harness.database, 1.0, repair_share=0.1)
    harness.run(throttle.slot(1.0, repair=True))
    with pytest.raises(NoSlot, match="busy"):
        harness.run(throttle.slot(1.0, repair=True))
