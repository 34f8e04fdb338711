"""Carries the probe's questions out: one at a time, no faster than allowed, and nothing is left behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..ximilar.account import credits_call
from ..ximilar.calls import Call
from ..ximilar.errors import XimilarError
from ..ximilar.questions import Questions, Said
from .steps import Step

NOT_FOUND, THROTTLED = 404, 429
PATIENCE = 3
"""How often a question is repeated that came too fast."""
PAUSE_SECONDS = 2.0

T = TypeVar("T")


class Transport(Protocol):
    """What carries calls."""

    def send(self, call: Call[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to: what was said, or why nothing was; `cost` in credits, None if it was not weighed."""

    step: Step
    said: Said | None
    failure: str = ""
    cost: int | None = None


class Prober:
    """Asks over `transport`, and over `stranger`, whose token is wrong; at most `rate` calls a second."""

    def __init__(
        self,
        transport: Transport,
        stranger: Transport,
        *,
        asking: Questions,
        rate: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._stranger = stranger
        self._asking = asking
        self._interval = 1 / rate
        self._sleep = sleep
        self._next = 0.0
        self._inserted: set[str] = set()
        self._left: int | None = None

    def run(self, steps: list[Step], *, told: Callable[[Outcome], None]) -> list[Outcome]:
        """Ask everything; `told` hears of each outcome at once. What was inserted is deleted in any case."""
        outcomes = []
        try:
            for step in steps:
                outcomes.append(self._take(step))
                told(outcomes[-1])
        finally:
            self._clean()
        return outcomes

    @property
    def credits_left(self) -> int | None:
        """The account's credits when last looked at."""
        return self._left

    @property
    def left_behind(self) -> list[str]:
        """Records that may still be in the collection."""
        return sorted(self._inserted)

    def _take(self, step: Step) -> Outcome:
        if step.weighed and self._left is None:
            self._left = self._credits()
        before = self._left
        self._inserted |= step.inserts
        try:
            said = self._patiently(step)
        except XimilarError as error:
            return Outcome(step, None, failure=error.reason)
        return Outcome(step, said, cost=self._cost(before) if step.weighed else None)

    def _cost(self, before: int | None) -> int | None:
        self._left = self._credits()
        return None if before is None or self._left is None else before - self._left

    def _patiently(self, step: Step) -> Said:
        transport = self._stranger if step.other_token else self._transport
        for _ in range(PATIENCE):
            said = self._send(transport, step.call)
            if THROTTLED not in (said.http, said.code):
                break
            self._sleep(said.retry_after or PAUSE_SECONDS)
        return said

    def _credits(self) -> int | None:
        try:
            return self._send(self._transport, credits_call()).left
        except XimilarError:
            return None

    def _send(self, transport: Transport, call: Call[T]) -> T:
        """Wait for this call's turn: workers that run meanwhile have a limit of their own."""
        self._sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._interval
        return transport.send(call)

    def _clean(self) -> None:
        """Delete what may have been inserted, one by one; a record that is not there is as good."""
        for record_id in sorted(self._inserted):
            with contextlib.suppress(XimilarError):
                said = self._patiently(Step("clean", self._asking.delete(record_id)))
                if said.succeeded or said.code == NOT_FOUND:
                    self._inserted.discard(record_id)
