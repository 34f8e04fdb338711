"""The circuit breaker against a clock of its own."""

from __future__ import annotations

import pytest

from procrastinate_app.ximilar import errors
from web.gateway.breaker import Breaker, State
from web.gateway.problems import BreakerOpen


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(30, clock=clock, jitter=lambda: 0.5)


def call(breaker: Breaker, error: errors.XimilarError | None = None) -> None:
    breaker.record(error, probe=breaker.admit())


def opened(breaker: Breaker) -> Breaker:
    for _ in range(20):
        call(breaker, errors.ServerFault())
    assert breaker.state is State.OPEN
    return breaker


def test_nineteen_failures_are_too_few(breaker: Breaker) -> None:
    for _ in range(19):
        call(breaker, errors.TimedOut())
    assert breaker.state is State.CLOSED


def test_half_of_twenty_are_enough(breaker: Breaker) -> None:
    for _ in range(10):
        call(breaker)
    for _ in range(10):
        assert breaker.state is State.CLOSED
        call(breaker, errors.NotSent())
    assert breaker.state is State.OPEN


def test_less_than_half_are_not(breaker: Breaker) -> None:
    for number in range(200):
        call(breaker, errors.ServerFault() if number % 5 < 2 else None)
    assert breaker.state is State.CLOSED


def test_what_is_older_than_ten_seconds_is_forgotten(breaker: Breaker, clock: Clock) -> None:
    for _ in range(19):
        call(breaker, errors.ServerFault())
    clock.now += 10.1
    call(breaker, errors.ServerFault())
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(
    "error",
    [
        *(errors.TokenRefused(), errors.CreditExhausted(), errors.Forbidden(), errors.CollectionFull()),
        *(errors.PathUnknown(), errors.RateLimited(), errors.ItemFault(), errors.Nonsense()),
    ],
    ids=lambda error: error.cause,
)
def test_an_answer_that_says_no_is_no_failure(breaker: Breaker, error: errors.XimilarError) -> None:
    for _ in range(100):
        call(breaker, error)
    assert breaker.state is State.CLOSED


def test_open_turns_away_and_says_for_how_long(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    with pytest.raises(BreakerOpen) as caught:
        breaker.admit()
    assert caught.value.seconds == pytest.approx(33.0)
    clock.now += 32.9
    with pytest.raises(BreakerOpen):
        breaker.admit()


def test_one_probe_at_a_time_then_closed(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 33.0
    assert breaker.state is State.HALF_OPEN
    probe = breaker.admit()
    assert probe
    with pytest.raises(BreakerOpen):
        breaker.admit()
    breaker.record(None, probe=True)
    assert breaker.admit() is False


def test_a_failed_probe_opens_again(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 33.0
    call(breaker, errors.TimedOut())
    assert breaker.state is State.OPEN
    with pytest.raises(BreakerOpen):
        breaker.admit()


def test_a_probe_given_up_lets_another_try(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 33.0
    breaker.forget(probe=breaker.admit())
    assert breaker.admit() is True


def test_calls_admitted_before_have_no_say_after(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 33.0
    breaker.admit()
    breaker.record(None, probe=False)
    breaker.record(errors.ServerFault(), probe=False)
    assert breaker.state is State.HALF_OPEN
