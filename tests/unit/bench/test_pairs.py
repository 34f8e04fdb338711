"""Paired runs: the order turns round, and ratios are taken round by round."""

from __future__ import annotations

import pytest

from ops.bench.pairs import Spread, alternate, ratios, spread


def test_the_order_turns_round_with_each_round() -> None:
    seen: list[str] = []

    def side(name: str) -> int:
        seen.append(name)
        return len(seen)

    found = alternate({name: lambda name=name: side(name) for name in "ab"}, 3)  # type: ignore[misc]
    assert "".join(seen) == "abbaab"
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_ratios_are_those_of_the_rounds() -> None:
    # In the second round the machine was half as fast; the ratio of the medians would be 2.5.
    assert ratios([10, 5, 30], [5, 2, 15]) == Spread(2.0, 2.0, 2.5)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("values", "noise"), [([2.0], 0.0), ([9.0, 10.0, 12.0], 0.3), ([0.0, 0.0], 0.0)])
def test_noise_is_the_range_over_the_median(values: list[float], noise: float) -> None:
    assert spread(values).noise == pytest.approx(noise)
