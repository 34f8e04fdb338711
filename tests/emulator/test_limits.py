"""The sliding window: strict, whatever the order in which threads come to it."""

from __future__ import annotations

import random

import pytest

from ops.emulator.limits import SlidingWindow, most_in_a_second


def test_admit_refuses_the_call_too_many_until_a_second_has_passed() -> None:
    window = SlidingWindow()
    assert [window.admit(arrival, 2) for arrival in (10.0, 10.5, 10.9)] == [None, None, 1]
    assert window.admit(10.999, 2) == 1
    assert window.admit(11.0, 2) is None
    assert window.admit(11.4, 2) == 1


def test_admit_does_not_count_what_it_refused() -> None:
    window = SlidingWindow()
    window.admit(10.0, 1)
    assert [window.admit(10.0 + i / 100, 1) for i in range(1, 100)] == [1] * 99
    assert window.admit(11.0, 1) is None


def test_admit_without_limit_refuses_nothing() -> None:
    window = SlidingWindow()
    assert {window.admit(1.0, 0) for _ in range(1000)} == {None}


def test_admit_after_reset_starts_anew() -> None:
    window = SlidingWindow()
    window.admit(1.0, 1)
    window.reset()
    assert window.admit(1.1, 1) is None


@pytest.mark.parametrize("rate", [1, 3, 10])
def test_no_second_holds_more_than_the_rate_even_out_of_order(rate: int) -> None:
    dice = random.Random(rate)
    window = SlidingWindow()
    arrivals = [i * 0.02 + dice.uniform(0, 0.1) for i in range(2000)]
    accepted = [arrival for arrival in arrivals if window.admit(arrival, rate) is None]
    assert most_in_a_second(accepted) == rate
    assert len(accepted) > 0.6 * rate * 40


def test_most_in_a_second_counts_half_open_windows() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([2.0, 1.0, 3.0]) == 1
    assert most_in_a_second([1.0, 1.999, 2.0, 1.5]) == 3
