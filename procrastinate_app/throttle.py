"""The account's limit and its pauses, shared by all workers through one row in Postgres.

The database hands out slots by its own clock; the caller sleeps here, outside any transaction.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from .database import Database
from .ximilar.errors import AccountFault, RateLimited, SystemFault

# Slots are (1 + HEADROOM) / rate apart. A slot is when a request leaves, the limit counts when it arrives; a
# request that leaves late crowds those behind it. HEADROOM is the lateness, in seconds, that is absorbed.
HEADROOM = 0.12
# A caller that wakes this late gives its slot up and takes another.
TOLERANCE_SECONDS = 0.03
# A caller that slept for longer than this asks again whether the account has been paused meanwhile.
RECHECK_SECONDS = 0.25
ACCOUNT_PAUSE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to send one request now; after a pause the first is the `probe` that decides whether it is over."""

    probe: bool


class NoSlot(Exception):
    """No request may be sent: `cause` is why the account is paused, or `busy` if the next slot is too far away."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Throttle:
    """Hands out slots at `rate` requests a second over all processes (unless an operator has set another)."""

    def __init__(self, database: Database, rate: float, *, headroom: float = HEADROOM) -> None:
        self._database = database
        self._gap = (1 + headroom) / rate
        self._headroom = headroom

    async def slot(self, max_wait: float) -> Slot:
        """Wait for the next slot. Raises NoSlot, at once, while paused or if it is over `max_wait` seconds away."""
        gives_up = time.monotonic() + max_wait
        while True:
            probe, wait, late = await self._take(max(0.0, gives_up - time.monotonic()))
            if wait > RECHECK_SECONDS and not probe:
                await self._raise_if_paused()
            if late <= TOLERANCE_SECONDS or probe:
                return Slot(probe)

    async def succeeded(self, slot: Slot) -> None:
        """Ximilar answered the call of this slot, be it with a refusal of the photo."""
        await self._database.run("note_success", probe=slot.probe)

    async def failed(self, slot: Slot, fault: SystemFault) -> bool:
        """The call of this slot met the system's fault. Returns whether the account is paused now."""
        said = {"cause": fault.cause, "code": fault.code, "text": fault.text}
        if isinstance(fault, AccountFault):
            await self._database.run("pause", **said, seconds=_pause_seconds(fault))
            return True
        return bool(await self._database.value("note_fault", **said, probe=slot.probe))

    async def _take(self, max_wait: float) -> tuple[bool, float, float]:
        """Take a slot and sleep until it; returns (probe, seconds waited for, seconds too late)."""
        row = await self._database.one("take_slot", gap=self._gap, headroom=self._headroom, max_wait=max_wait)
        received = time.monotonic()
        assert row is not None
        if row["wait"] is None:
            raise NoSlot(row["cause"])
        await asyncio.sleep(row["wait"])
        return row["probe"], row["wait"], time.monotonic() - received - row["wait"]

    async def _raise_if_paused(self) -> None:
        cause = await self._database.value("paused")
        if cause is not None:
            raise NoSlot(cause)


def _pause_seconds(fault: AccountFault) -> float | None:
    """How long to pause; None leaves it to the database, which knows how many pauses there were in a row."""
    return fault.retry_after if isinstance(fault, RateLimited) else ACCOUNT_PAUSE_SECONDS
