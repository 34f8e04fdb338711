"""Sends records to Ximilar, one request a slot and several at once, and has each answer written down at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import ParamSpec, TypeVar
from uuid import UUID

import psycopg

from . import deadlines
from .throttle import NoSlot, Permit, Slot, Throttle
from .ximilar.answers import Record, Stored
from .ximilar.asyncio_transport import AsyncioTransport
from .ximilar.calls import Call
from .ximilar.errors import AccountFault, SystemFault

P = ParamSpec("P")
T = TypeVar("T")

# Of one product, so that a product of many photos keeps the limit used, and a poisonous one meets few faults.
REQUESTS_AT_ONCE = 3
# A photo that is stored must be written down, be the database away for a moment.
LEDGER_PATIENCE_SECONDS = 60.0
LEDGER_PAUSE_SECONDS = 0.5
# What the same write does not meet any more once the database is well again: it is away, its disk is full (which is
# an OperationalError too), it is read-only, a grant is missing, a table is being renamed. A wrong value is none.
REPAIRABLE = (
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
)


@dataclass(frozen=True, slots=True)
class Errand:
    """Whose photos are sent: a product with the hash of its metadata, for a `repair` or not."""

    product_id: int
    content_hash: UUID | None = None
    repair: bool = False


@dataclass(slots=True)
class Pushed:
    """What became of a push: the answers by kind of call, and what ended it early, if anything.

    `fault` is the first system fault, met as the account's `probe` or not, with `paused` if it paused the
    account; `no_slot` is why no request could be sent; `unfinished` that time ran out.
    """

    answers: list[Stored] = field(default_factory=list)
    updated: list[Stored] = field(default_factory=list)
    removed: list[Stored] = field(default_factory=list)
    forgotten: int = 0
    fault: SystemFault | None = None
    probe: bool = False
    paused: bool = False
    no_slot: str | None = None
    unfinished: bool = False

    @property
    def complete(self) -> bool:
        """Whether every call that was to be made has its answer."""
        return self.fault is None and self.no_slot is None and not self.unfinished

    @property
    def progressed(self) -> bool:
        """Whether anything was done."""
        return bool(self.answers or self.updated or self.removed or self.forgotten)

    @property
    def refusals(self) -> int:
        """How many records were refused."""
        return sum(answer.fault is not None for answer in (*self.answers, *self.updated, *self.removed))


@dataclass(frozen=True, slots=True)
class Push:
    """One errand under way: no new call starts at `until` (monotonic) or once something went wrong."""

    errand: Errand
    pushed: Pushed
    until: float

    @classmethod
    def begin(cls, errand: Errand) -> Push:
        return cls(errand, Pushed(), time.monotonic() + deadlines.PUSH)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A kind of call over records: how it is made, what is written before it leaves and after its answer."""

    make: Callable[[Sequence[Record]], Call[list[Stored]]]
    keep: Callable[[Sequence[Record], Sequence[Stored]], Awaitable[None]]
    announce: Callable[[Sequence[Record]], Awaitable[None]] | None = None


class Sender:
    """Sends over one transport; `concurrency` calls in flight in this process."""

    def __init__(self, transport: AsyncioTransport, throttle: Throttle, *, concurrency: int) -> None:
        self._transport = transport
        self._throttle = throttle
        self._free_calls = asyncio.Semaphore(concurrency)
        self._in_flight: set[asyncio.Task[None]] = set()

    async def send(self, push: Push, delivery: Delivery, records: Sequence[Record], *, batch: int) -> None:
        """Send the records, several calls at once unless it is a repair: it leaves those in flight to others."""
        batches = _batches(records, batch)
        at_once = 1 if push.errand.repair else min(REQUESTS_AT_ONCE, -(-len(records) // batch))
        await asyncio.gather(*(self._drain(push, delivery, batches) for _ in range(at_once)))

    async def finish(self) -> None:
        """Wait for calls whose job was cancelled: their answers still go to the ledger."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=deadlines.FINISH)

    async def _drain(self, push: Push, delivery: Delivery, batches: Iterator[list[Record]]) -> None:
        pushed = push.pushed
        for records in batches:
            async with self._free_calls:
                if not pushed.complete:
                    return
                if time.monotonic() >= push.until:
                    pushed.unfinished = True
                    return
                try:
                    if delivery.announce is not None:
                        await delivery.announce(records)
                    await self._send_in_slot(push, delivery, records)
                except BaseException:
                    # The job ends here and comes back: the rest must not be sent behind its back as well.
                    pushed.unfinished = True
                    raise

    async def _send_in_slot(self, push: Push, delivery: Delivery, records: Sequence[Record]) -> None:
        slot = partial(self._slot, push)
        try:
            permit = Permit(await slot(), slot)
            # Shielded: a call that has left cannot be called back, so its answer is kept, come what may.
            call = asyncio.create_task(self._send(push, delivery, records, permit))
            self._in_flight.add(call)
            call.add_done_callback(self._in_flight.discard)
            await asyncio.shield(call)
        except NoSlot as refusal:
            if refusal.cause == "busy":
                push.pushed.unfinished = True
            else:
                push.pushed.no_slot = refusal.cause

    async def _slot(self, push: Push) -> Slot:
        slot = await self._throttle.slot(push.until - time.monotonic(), repair=push.errand.repair)
        if push.pushed.complete or slot.probe:
            return slot
        raise NoSlot("busy")  # the push has ended while it waited: any slot comes too late

    async def _send(self, push: Push, delivery: Delivery, records: Sequence[Record], permit: Permit) -> None:
        """Make the call and keep its answer. Raises NoSlot if it could not leave in time, nor later."""
        try:
            answers = await self._transport.send(delivery.make(records), permit=permit)
        except SystemFault as fault:
            await self._keep_fault(permit.slot, fault, push.pushed)
            return
        await delivery.keep(records, answers)
        await self._throttle.succeeded(permit.slot)

    async def _keep_fault(self, slot: Slot, fault: SystemFault, pushed: Pushed) -> None:
        """Keep and tell the first fault; one of the account's is told whichever came first: it pauses everybody."""
        if pushed.fault is None or (
            isinstance(fault, AccountFault) and not isinstance(pushed.fault, AccountFault)
        ):
            pushed.fault, pushed.probe = fault, slot.probe
            pushed.paused = await self._throttle.failed(slot, fault)


async def patiently(write: Callable[P, Awaitable[T]], *arguments: P.args, **options: P.kwargs) -> T:
    """Repeat a write that is safe to repeat until the database takes it, for a minute at most."""
    gives_up = time.monotonic() + LEDGER_PATIENCE_SECONDS
    while True:
        try:
            return await write(*arguments, **options)
        except REPAIRABLE:
            if time.monotonic() >= gives_up:
                raise
            await asyncio.sleep(LEDGER_PAUSE_SECONDS)


def _batches(records: Sequence[Record], size: int) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch
