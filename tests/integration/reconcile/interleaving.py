"""Two workers at work at one time, whose steps happen in an order that is given.

A step ends before a statement or transaction begins, before a call has its effect, and before its answer is read: so
nobody is stopped while he holds a lock.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from procrastinate_app.database import Database, Session
from procrastinate_app.ximilar.asyncio_transport import Leave
from procrastinate_app.ximilar.calls import Call
from tests.integration.reconcile.harness import Harness, Ximilar

T = TypeVar("T")

PATIENCE_SECONDS = 20.0


class Order:
    """Whose turn it is: of the workers 0 and 1 one runs, until the order names the other."""

    def __init__(self, seed: int) -> None:
        self._names = _bursts(random.Random(seed))
        self._turn = next(self._names)
        self._ended: set[int] = set()
        self._passed = threading.Condition()

    def step(self, worker: int) -> None:
        """Let the next one in the order go on, and return when that is this worker."""
        with self._passed:
            self._turn = next(self._names) if not self._ended else worker
            self._passed.notify_all()
            self._wait(worker)

    @contextlib.contextmanager
    def taken_part(self, worker: int) -> Iterator[None]:
        """Take turns for as long as the block."""
        with self._passed:
            self._wait(worker)
        try:
            yield
        finally:
            with self._passed:
                self._ended.add(worker)
                self._turn = 1 - worker
                self._passed.notify_all()

    def _wait(self, worker: int) -> None:
        assert self._passed.wait_for(lambda: self._turn == worker, PATIENCE_SECONDS), "nobody goes on"


def _bursts(chosen: random.Random) -> Iterator[int]:
    """A worker for one step to eight, then the other."""
    for worker in itertools.cycle(chosen.sample([0, 1], 2)):
        yield from [worker] * chosen.randint(1, 8)


class SteppingDatabase(Database):
    """A database whose statements are steps of one worker."""

    def __init__(self, database: Database, step: Callable[[], None]) -> None:
        super().__init__(database.pool)
        self._step = step

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        self._step()
        async with super().session() as session:
            yield session

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        self._step()
        async with super().transaction() as session:
            yield session


class SteppingXimilar:
    """A transport whose calls are two steps of one worker: the effect and the answer."""

    def __init__(self, ximilar: Ximilar, step: Callable[[], None]) -> None:
        self._ximilar = ximilar
        self._step = step

    async def send(self, call: Call[T], *, permit: Leave) -> T:
        self._step()
        answer = await self._ximilar.send(call, permit=permit)
        self._step()
        return answer


def do_together(workers: tuple[Harness, Harness], jobs: tuple[int, int], seed: int) -> None:
    """Do two jobs, each by a worker of its own, in the order that the seed makes."""
    order, failures = Order(seed), list[BaseException]()

    def work(number: int) -> None:
        try:
            with order.taken_part(number), _stepping(workers[number], lambda: order.step(number)):
                workers[number].do(jobs[number])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_SECONDS)
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _stepping(harness: Harness, step: Callable[[], None]) -> Iterator[None]:
    database, ximilar = harness.database, harness.ximilar
    harness.database = SteppingDatabase(database, step)
    harness.ximilar = SteppingXimilar(ximilar, step)  # type: ignore[assignment]
    try:
        yield
    finally:
        harness.database, harness.ximilar = database, ximilar
