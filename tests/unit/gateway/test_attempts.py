"""Retries: after a 429 only, with backoff, while somebody waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrastinate_app.ximilar import errors
from procrastinate_app.ximilar.calls import Call
from procrastinate_app.ximilar.recognition import Recognition
from web.gateway.attempts import Attempts, backoff
from web.gateway.breaker import Breaker
from web.gateway.metrics import Metrics
from web.gateway.problems import TooBusy

T = TypeVar("T")
CALL = Recognition("c").detect("https://cdn.example.com/a.jpg")


class Transport:
    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.sent = 0

    async def send(self, call: Call[T], *, deadline: float | None, headers: Mapping[str, str]) -> T:
        self.sent += 1
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return []  # type: ignore[return-value]


class Waiting:
    headers: Mapping[str, str] = {}

    def __init__(self, wanted: bool = True) -> None:
        self.wanted = wanted

    def wanted_at(self, moment: float) -> bool:
        return self.wanted


def attempts(transport: Transport, limit: int = 10, deadline: float = 30.0, token: bool = True) -> Attempts:
    return Attempts(
        transport,
        Breaker(30),
        Metrics(),
        spare=Breaker(30),
        limit=limit,
        deadline=deadline,
        token_known=token,
        jitter=lambda: 0.001,
    )


def make(transport: Transport, waiting: Waiting | None = None, **options: float) -> object:
    return asyncio.run(attempts(transport, **options).make(CALL, waiting or Waiting()))  # type: ignore[arg-type]


def limited(seconds: float | None = None) -> errors.RateLimited:
    return errors.RateLimited(retry_after=seconds)


def test_429_is_repeated_three_times() -> None:
    transport = Transport(limited(), limited(), limited(), None)
    assert make(transport) == []
    transport = Transport(*(limited() for _ in range(9)))
    with pytest.raises(errors.RateLimited):
        make(transport)
    assert transport.sent == 4


@pytest.mark.parametrize(
    "error",
    [
        *(errors.NotSent(), errors.NoAnswer(), errors.TimedOut(), errors.ServerFault(), errors.Nonsense()),
        *(errors.ItemFault(), errors.TokenRefused(), errors.CreditExhausted(), errors.PathUnknown()),
    ],
    ids=lambda error: error.cause,
)
def test_nothing_else_is_repeated(error: errors.XimilarError) -> None:
    transport = Transport(error)
    with pytest.raises(type(error)):
        make(transport)
    assert transport.sent == 1


def test_no_retry_that_nobody_waits_for() -> None:
    transport = Transport(limited())
    with pytest.raises(errors.RateLimited):
        make(transport, Waiting(wanted=False))


def test_no_retry_beyond_the_deadline() -> None:
    transport = Transport(limited(31.0))
    with pytest.raises(errors.RateLimited) as caught:
        make(transport)
    assert caught.value.retry_after == 31.0


def test_no_token_no_call() -> None:
    transport = Transport()
    with pytest.raises(errors.TokenRefused):
        asyncio.run(attempts(transport, token=False).make(CALL, Waiting()))
    assert transport.sent == 0


def test_no_room_no_call() -> None:
    with pytest.raises(TooBusy):
        make(Transport(), limit=0)


@given(st.integers(0, 3), st.none() | st.floats(1, 300), st.randoms(use_true_random=False))
def test_backoff_is_bounded_and_respects_its_floor(
    attempt: int, retry_after: float | None, chance: random.Random
) -> None:
    pause = backoff(attempt, retry_after, chance.random)
    assert (retry_after or 0.0) <= pause <= max(0.5 * 2**attempt, retry_after or 0.0)


def test_backoff_has_full_jitter() -> None:
    assert backoff(2, None, lambda: 0.0) == 0.0
    assert backoff(2, None, lambda: 1.0) == 2.0
