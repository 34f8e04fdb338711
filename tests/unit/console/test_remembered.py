"""What is dear to ask is asked once."""

from __future__ import annotations

import pytest

from web.console.remembered import Remembered


def test_a_value_is_kept_and_an_old_one_is_asked_for_again() -> None:
    answers = iter([1, 2])
    kept = Remembered[int](60.0)
    assert [kept.get(lambda: next(answers)) for _ in range(3)] == [1, 1, 1]
    answers = iter([1, 2])
    fresh = Remembered[int](0.0)
    assert [fresh.get(lambda: next(answers)) for _ in range(2)] == [1, 2]


def test_a_failure_is_kept_for_those_who_waited_for_it() -> None:
    asked = []

    def fail() -> int:
        asked.append(1)
        raise OSError("away")

    kept = Remembered[int](60.0)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            kept.get(fail)
    assert len(asked) == 1
