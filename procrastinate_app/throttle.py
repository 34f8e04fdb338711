"""The account's limit and its pauses, shared by all workers through one row in Postgres.

The database hands out slots by its own clock; the caller sleeps here, outside any transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import logs
from .database import Database
from .ximilar.errors import AccountFault, RateLimited, SystemFault

# Slots are (1 + HEADROOM) / rate apart. A slot is when a request leaves, the limit counts when it arrives; a
# request that leaves late crowds those behind it. HEADROOM is the lateness, in seconds, that is absorbed.
HEADROOM = 0.10
# A caller that may be later than this when it is about to send gives its slot up and takes another.
TOLERANCE_SECONDS = 0.03
# A caller that slept for longer than this asks again whether the account has been paused meanwhile.
RECHECK_SECONDS = 0.25
ACCOUNT_PAUSE_SECONDS = 300.0
# As many of the last round trips to the database tell how long one takes.
ROUND_TRIPS = 20

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to send one request at `due` (monotonic clock).

    After a pause the first is the `probe` that decides whether the pause is over.
    """

    probe: bool
    due: float

    @property
    def missed(self) -> bool:
        """Whether it is too late to use this slot: the request would crowd those behind it."""
        return not self.probe and time.monotonic() - self.due > TOLERANCE_SECONDS


class NoSlot(Exception):
    """No request may be sent: `cause` is why the account is paused, or `busy`: the next slot is too far away."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Permit:
    """Leave to send one request, which a transport asks for when the first byte is about to leave.

    A slot that was missed by then is replaced by `another`; `slot` is the one that counts.
    """

    def __init__(self, slot: Slot, another: Callable[[], Awaitable[Slot]]) -> None:
        self.slot = slot
        self._another = another

    async def __call__(self) -> None:
        """Return when the request may leave. Raises NoSlot, or what `another` raises."""
        # As late as can be: the loop, TCP and TLS have their delays.
        while self.slot.missed:
            self.slot = await self._another()


class Throttle:
    """Hands out slots at `rate` requests a second over all processes (unless an operator has set another)."""

    def __init__(
        self, database: Database, rate: float, *, headroom: float = HEADROOM, repair_share: float = 1.0
    ) -> None:
        self._database = database
        self._gap = (1 + headroom) / rate
        self._headroom = headroom
        self._repair_share = repair_share
        self._round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)

    async def slot(self, max_wait: float, *, repair: bool = False) -> Slot:
        """Wait for the next slot. Raises NoSlot while paused, or at once if it is over `max_wait` seconds away.

        A `repair` waits for its turn first: repairs together take no more than their share of the rate.
        """
        if repair:
            max_wait -= await self._repair_turn(max_wait)
        async with self._database.session() as session:
            asked = time.monotonic()
            row = await session.one("take_slot", gap=self._gap, headroom=self._headroom, max_wait=max_wait)
            assert row is not None
            late = self._lateness(time.monotonic() - asked - row["held"])
        if row["wait"] is None:
            raise NoSlot(row["cause"])
        slot = Slot(row["probe"], time.monotonic() + row["wait"] - late)
        await asyncio.sleep(row["wait"])
        if row["wait"] > RECHECK_SECONDS and not slot.probe:
            await self._raise_if_paused()
        return slot

    def _lateness(self, round_trip: float) -> float:
        """Return how many seconds later than usual the database's answer has come, at most."""
        # `wait` begins when the database speaks, but is known when the answer is here: what came late makes a late
        # slot, and `missed` must know. Nobody can tell which way was the slow one, so all that a round trip took
        # over the shortest of the last ones counts. A database that is always slow delays all slots alike.
        self._round_trips.append(max(0.0, round_trip))
        return self._round_trips[-1] - min(self._round_trips)

    async def _repair_turn(self, max_wait: float) -> float:
        """Wait for the next turn of a repair and return the seconds it took."""
        wait = await self._database.value(
            "take_repair_turn",
            gap=self._gap,
            headroom=self._headroom,
            share=self._repair_share,
            max_wait=max_wait,
        )
        if wait is None:
            raise NoSlot("busy")
        await asyncio.sleep(wait)
        return float(wait)

    async def succeeded(self, slot: Slot) -> None:
        """Ximilar answered the call of this slot, be it with a refusal of the photo."""
        if await self._database.value("note_success", probe=slot.probe):
            log.info("account_resumed")

    async def failed(self, slot: Slot, fault: SystemFault) -> bool:
        """The call of this slot met the system's fault. Returns whether the account is paused now."""
        said = {"probe": slot.probe, "cause": fault.cause, "code": fault.code, "text": fault.text}
        if isinstance(fault, AccountFault):
            await self._database.run("pause", **said, seconds=_pause_seconds(fault))
            return True
        return bool(await self._database.value("note_fault", **said))

    async def _raise_if_paused(self) -> None:
        cause = await self._database.value("paused")
        if cause is not None:
            raise NoSlot(cause)


def _pause_seconds(fault: AccountFault) -> float | None:
    """How long to pause; None leaves it to the database, which knows how many pauses there were in a row."""
    return fault.retry_after if isinstance(fault, RateLimited) else ACCOUNT_PAUSE_SECONDS
