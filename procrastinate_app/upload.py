"""Sends the photos of a product, one request a slot, and writes each answer to the ledger at once."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import psycopg

from . import deadlines
from .database import Database
from .product import Product
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


@dataclass(slots=True)
class Pushed:
    """What became of a push: the answers, and what ended it early, if anything.

    `fault` is the first system fault, met as the account's `probe` or not, with `paused` if it paused the
    account; `no_slot` is why no request could be sent; `unfinished` that time ran out.
    """

    answers: list[Stored] = field(default_factory=list)
    fault: SystemFault | None = None
    probe: bool = False
    paused: bool = False
    no_slot: str | None = None
    unfinished: bool = False

    @property
    def complete(self) -> bool:
        """Whether every record has its answer."""
        return self.fault is None and self.no_slot is None and not self.unfinished


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
        self._transport = transport
        self._throttle = throttle
        self._database = database
        self._free_calls = asyncio.Semaphore(concurrency)
        self._in_flight: set[asyncio.Task[bool]] = set()

    async def push(self, product: Product, records: Sequence[Record]) -> Pushed:
        """Send the records. No new call starts once something went wrong, or 20 s after the first."""
        pushed = Pushed()
        batches = _batches(records, self.profile.batch)
        until = time.monotonic() + deadlines.PUSH
        at_once = min(REQUESTS_AT_ONCE, len(records))
        await asyncio.gather(*(self._drain(product, batches, pushed, until) for _ in range(at_once)))
        return pushed

    async def finish(self) -> None:
        """Wait for calls whose job was cancelled: their answers still go to the ledger."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=deadlines.FINISH)

    async def _drain(
        self, product: Product, batches: Iterator[list[Record]], pushed: Pushed, until: float
    ) -> None:
        for batch in batches:
            async with self._free_calls:
                if not pushed.complete:
                    return
                if time.monotonic() >= until:
                    pushed.unfinished = True
                    return
                try:
                    await self._send_in_slot(product, batch, pushed, until)
                except BaseException:
                    # The job ends here and comes back: the rest must not be sent behind its back as well.
                    pushed.unfinished = True
                    raise

    async def _send_in_slot(
        self, product: Product, batch: list[Record], pushed: Pushed, until: float
    ) -> None:
        sent = False
        while not sent:
            try:
                slot = await self._throttle.slot(max_wait=until - time.monotonic())
            except NoSlot as refusal:
                if refusal.cause == "busy":
                    pushed.unfinished = True
                else:
                    pushed.no_slot = refusal.cause
                return
            if not pushed.complete and not slot.probe:
                return
            # Shielded: a call that has left cannot be called back, so its answer is kept, come what may.
            sending = asyncio.create_task(self._send(product, batch, slot, pushed))
            self._in_flight.add(sending)
            sending.add_done_callback(self._in_flight.discard)
            sent = await asyncio.shield(sending)

    async def _send(self, product: Product, batch: list[Record], slot: Slot, pushed: Pushed) -> bool:
        """Make the call and keep its answer. Returns False if the slot was missed and nothing was sent."""
        try:
            answers = await asyncio.to_thread(self._call, slot, self.profile.store(batch))
        except SystemFault as fault:
            await self._keep_fault(slot, fault, pushed)
            return True
        if answers is None:
            return False
        for answer in answers:
            if answer.fault is None:
                await _patiently(functools.partial(self._store, product, answer))
        pushed.answers.extend(answers)
        await self._throttle.succeeded(slot)
        return True

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

    async def _store(self, product: Product, answer: Stored) -> None:
        await self._database.run(
            "store_photo",
            product_id=product.id,
            profile=self.profile.name,
            collection_id=self.profile.collection_id,
            url=answer.url,
            remote_id=answer.remote_id,
            content_hash=product.content_hash,
            request_id=answer.request_id,
        )


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
