"""Carries a product's plan out, one request a slot, and writes each answer to the ledger at once."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, TypeVar
from uuid import UUID

import psycopg

from . import deadlines
from .database import Database
from .ledger import Ledger
from .plan import Plan, Replacement
from .throttle import NoSlot, Slot, Throttle
from .ximilar.answers import Record, Stored
from .ximilar.calls import Call
from .ximilar.errors import AccountFault, SystemFault
from .ximilar.profile import Profile
from .ximilar.requests_transport import RequestsTransport

T = TypeVar("T")

# Of one product, so that a product of many photos keeps the limit used, and a poisonous one meets few faults.
REQUESTS_AT_ONCE = 3
# A photo that is stored must be written down, be the database away for a moment.
LEDGER_PATIENCE_SECONDS = 60.0


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
        return bool(self.answers or self.removed or self.forgotten)

    @property
    def refusals(self) -> int:
        """How many calls were refused."""
        return sum(answer.fault is not None for answer in (*self.answers, *self.removed))


@dataclass(frozen=True, slots=True)
class Batch:
    """Records for one call."""

    kind: Literal["store", "remove"]
    records: list[Record]


class Uploader:
    """Sends records with one profile over one transport; `concurrency` calls in flight in this process."""

    def __init__(
        self,
        profile: Profile,
        transport: RequestsTransport,
        throttle: Throttle,
        database: Database,
        *,
        concurrency: int,
    ) -> None:
        self.profile = profile
        self.ledger = Ledger(database, profile)
        self._transport = transport
        self._throttle = throttle
        self._free_calls = asyncio.Semaphore(concurrency)
        self._in_flight: set[asyncio.Task[bool]] = set()

    async def push(self, errand: Errand, plan: Plan) -> Pushed:
        """Carry the plan out. No new call starts once something went wrong, or 20 s after the first."""
        pushed = Pushed()
        until = time.monotonic() + deadlines.PUSH
        again = await self._store_new(errand, plan, pushed, until)
        await self._replace(errand, [*plan.replacements, *again], pushed, until)
        stays = plan.keeps or any(answer.fault is None for answer in pushed.answers)
        if stays and pushed.complete:
            await self._take_out(errand, plan.removals, pushed, until)
        return pushed

    async def take_out(self, errand: Errand, records: Sequence[Record]) -> Pushed:
        """Remove photos from the collection, as `push` does with a plan's last part."""
        pushed = Pushed()
        await self._take_out(errand, records, pushed, time.monotonic() + deadlines.PUSH)
        return pushed

    async def finish(self) -> None:
        """Wait for calls whose job was cancelled: their answers still go to the ledger."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=deadlines.FINISH)

    async def _store_new(self, errand: Errand, plan: Plan, pushed: Pushed, until: float) -> list[Replacement]:
        """Store the new photos; returns those that were there already and are to be replaced to be certain."""
        if plan.certain:
            await self.ledger.announce(errand.product_id, plan.records)
        await self._all(errand, "store", plan.records, pushed, until, keep_already=not plan.certain)
        if not plan.certain:
            return []
        there = {answer.url: answer for answer in pushed.answers if answer.already}
        pushed.answers = [answer for answer in pushed.answers if not answer.already]
        again = []
        for record in plan.records:
            if record.url not in there:
                continue
            assert errand.content_hash is not None
            if await self.ledger.share(errand.product_id, record, errand.content_hash):
                pushed.answers.append(there[record.url])
            else:
                again.append(Replacement(record, record))
        return again

    async def _replace(
        self, errand: Errand, replacements: Sequence[Replacement], pushed: Pushed, until: float
    ) -> None:
        """One at a time, and none after one that was refused: the others stay searchable as they are."""
        for replacement in replacements:
            before = pushed.refusals
            if replacement.outgoing.metadata.get("sku_id") == replacement.incoming.metadata.get("sku_id"):
                await self._all(errand, "remove", [replacement.outgoing], pushed, until)
            else:
                await self._take_out(errand, [replacement.outgoing], pushed, until)
            if pushed.complete and pushed.refusals == before:
                await self.ledger.announce(errand.product_id, [replacement.incoming])
                await self._all(errand, "store", [replacement.incoming], pushed, until)
            if not pushed.complete or pushed.refusals > before:
                return

    async def _take_out(
        self, errand: Errand, records: Sequence[Record], pushed: Pushed, until: float
    ) -> None:
        """Remove photos, but leave those to other products that hold the same ones."""
        for record in records:
            if not pushed.complete:
                return
            if await self.ledger.forget_shared(errand.product_id, record.url):
                pushed.forgotten += 1
            else:
                await self._all(errand, "remove", [record], pushed, until)

    async def _all(
        self,
        errand: Errand,
        kind: Literal["store", "remove"],
        records: Sequence[Record],
        pushed: Pushed,
        until: float,
        *,
        keep_already: bool = True,
    ) -> None:
        """Send the records, several at once unless it is a repair: it leaves the calls in flight to others."""
        batches = (Batch(kind, batch) for batch in _batches(records, self.profile.batch))
        at_once = 1 if errand.repair else min(REQUESTS_AT_ONCE, len(records))
        sending = _Sending(errand, pushed, until, keep_already)
        await asyncio.gather(*(self._drain(sending, batches) for _ in range(at_once)))

    async def _drain(self, sending: _Sending, batches: Iterator[Batch]) -> None:
        pushed = sending.pushed
        for batch in batches:
            async with self._free_calls:
                if not pushed.complete:
                    return
                if time.monotonic() >= sending.until:
                    pushed.unfinished = True
                    return
                try:
                    await self._send_in_slot(sending, batch)
                except BaseException:
                    # The job ends here and comes back: the rest must not be sent behind its back as well.
                    pushed.unfinished = True
                    raise

    async def _send_in_slot(self, sending: _Sending, batch: Batch) -> None:
        pushed, sent = sending.pushed, False
        while not sent:
            try:
                slot = await self._throttle.slot(
                    max_wait=sending.until - time.monotonic(), repair=sending.errand.repair
                )
            except NoSlot as refusal:
                if refusal.cause == "busy":
                    pushed.unfinished = True
                else:
                    pushed.no_slot = refusal.cause
                return
            if not pushed.complete and not slot.probe:
                return
            # Shielded: a call that has left cannot be called back, so its answer is kept, come what may.
            call = asyncio.create_task(self._send(sending, batch, slot))
            self._in_flight.add(call)
            call.add_done_callback(self._in_flight.discard)
            sent = await asyncio.shield(call)

    async def _send(self, sending: _Sending, batch: Batch, slot: Slot) -> bool:
        """Make the call and keep its answer. Returns False if the slot was missed and nothing was sent."""
        make = self.profile.store if batch.kind == "store" else self.profile.remove
        try:
            answers = await asyncio.to_thread(self._call, slot, make(batch.records))
        except SystemFault as fault:
            await self._keep_fault(slot, fault, sending.pushed)
            return True
        if answers is None:
            return False
        await self._keep(sending, batch, answers)
        await self._throttle.succeeded(slot)
        return True

    async def _keep(self, sending: _Sending, batch: Batch, answers: Sequence[Stored]) -> None:
        errand, records = sending.errand, {record.url: record for record in batch.records}
        for answer in answers:
            if answer.already and not sending.keep_already:
                continue
            if answer.fault is not None:
                if batch.kind == "remove":
                    continue
                write = functools.partial(self.ledger.renounce, errand.product_id, records[answer.url])
            elif batch.kind == "store":
                write = functools.partial(self._store, errand, records[answer.url], answer)
            else:
                write = functools.partial(self.ledger.forget, errand.product_id, records[answer.url])
            await _patiently(write)
        (sending.pushed.answers if batch.kind == "store" else sending.pushed.removed).extend(answers)

    async def _store(self, errand: Errand, record: Record, answer: Stored) -> None:
        assert errand.content_hash is not None
        await self.ledger.store(errand.product_id, record, answer, errand.content_hash)

    async def _keep_fault(self, slot: Slot, fault: SystemFault, pushed: Pushed) -> None:
        """Keep and tell the first fault; one of the account's is told whichever came first: it pauses everybody."""
        if pushed.fault is None or (
            isinstance(fault, AccountFault) and not isinstance(pushed.fault, AccountFault)
        ):
            pushed.fault, pushed.probe = fault, slot.probe
            pushed.paused = await self._throttle.failed(slot, fault)

    def _call(self, slot: Slot, call: Call[T]) -> T | None:
        # In the thread, as late as can be: the loop and the threads' start have their delays too.
        return None if slot.missed else self._transport.send(call)


@dataclass(frozen=True, slots=True)
class _Sending:
    """What the calls of one kind share; `keep_already` writes photos that were there already to the ledger."""

    errand: Errand
    pushed: Pushed
    until: float
    keep_already: bool


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write that is safe to repeat until the database takes it, for a minute at most."""
    gives_up = time.monotonic() + LEDGER_PATIENCE_SECONDS
    while True:
        try:
            return await write()
        except psycopg.OperationalError:
            if time.monotonic() >= gives_up:
                raise
            await asyncio.sleep(0.5)


def _batches(records: Sequence[Record], size: int) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch
