"""Paired, alternating runs: what disturbs the machine disturbs all sides of a round alike.

The order turns round with each round, and sides are compared within a round before the median is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what all rounds gave, with the least and the most."""

    median: float
    least: float
    most: float

    @property
    def noise(self) -> float:
        """How far the rounds lie apart, as a share of the median: 0.1 is 10 %."""
        return (self.most - self.least) / abs(self.median) if self.median else 0.0


def alternate(sides: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Measure every side once a round; return {side: what each round gave}."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            found[name].append(sides[name]())
    return found


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the range of at least one value."""
    return Spread(median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the spread of ours / theirs, round by round."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])
