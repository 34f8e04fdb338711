"""Stacked bars as geometry, for a template that draws them as SVG, with the same facts as a table. Pure."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 1000.0, 100.0
SERIES = ("synced", "error", "postponed")
GAP = 0.22

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """One colour of a bar, in the units of the view box."""

    series: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One slot of time: where it stands, what it says, and its numbers in the order of SERIES."""

    x: float
    width: float
    label: str
    numbers: tuple[int, ...]
    segments: tuple[Segment, ...]

    @property
    def title(self) -> str:
        """What one reads when pointing at it."""
        said = ", ".join(
            f"{number:,} {name}" for name, number in zip(SERIES, self.numbers, strict=True) if number
        )
        return f"{self.label}: {said or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is the number at the upper edge, `ticks` the labels below, evenly spread."""

    title: str
    bars: tuple[Bar, ...]
    top: int
    ticks: tuple[str, ...]
    totals: tuple[int, ...]

    @property
    def summary(self) -> str:
        """The chart in one sentence, for those who do not see it."""
        said = ", ".join(f"{number:,} {name}" for name, number in zip(SERIES, self.totals, strict=True))
        return f"{self.title}: {said}"

    @property
    def filled(self) -> list[Bar]:
        """The bars that are not empty, for the table."""
        return [bar for bar in self.bars if any(bar.numbers)]


def stacked(title: str, slots: Sequence[tuple[str, Mapping[str, int]]], ticks: Sequence[str]) -> Chart:
    """Return a chart with a bar for each (label, {series: number})."""
    numbers = [tuple(given.get(name, 0) for name in SERIES) for _, given in slots]
    top = nice(max((sum(each) for each in numbers), default=0))
    width = WIDTH / max(1, len(slots))
    bars = tuple(
        Bar(place * width + width * GAP / 2, width * (1 - GAP), label, each, _segments(each, top))
        for place, ((label, _), each) in enumerate(zip(slots, numbers, strict=True))
    )
    totals = tuple(sum(column) for column in zip(*numbers, strict=True)) if numbers else (0,) * len(SERIES)
    return Chart(title, bars, top, tuple(ticks), totals)


def by_hour(rows: Iterable[Row], now: datetime.datetime, hours: int = 24) -> Chart:
    """The last hours, the present one included. Rows have hour, outcome, attempts."""
    last = now.replace(minute=0, second=0, microsecond=0)
    starts = [last - datetime.timedelta(hours=back) for back in range(hours - 1, -1, -1)]
    counted = _counted((row["hour"], row) for row in rows)
    slots = [(f"{start:%a %H:00}", counted.get(start, {})) for start in starts]
    return stacked(
        f"Last {hours} hours", slots, [f"{start:%H:00}" for start in starts[:: hours // 4]] + ["now"]
    )


def by_day(rows: Iterable[Row], now: datetime.datetime, days: int = 30) -> Chart:
    """The last days (UTC), today included."""
    starts = [now.date() - datetime.timedelta(days=back) for back in range(days - 1, -1, -1)]
    counted = _counted((row["hour"].date(), row) for row in rows)
    slots = [(f"{start:%a %d %b}", counted.get(start, {})) for start in starts]
    ticks = [f"{start.day} {start:%b}" for start in starts[:: days // 5]]
    return stacked(f"Last {days} days", slots, [*ticks, "today"])


def by_slice(rows: Iterable[Row], seconds: float, slices: int, label: str) -> Chart:
    """A run from its begin, in `slices` of `seconds`. Rows have slice, outcome, attempts."""
    counted = _counted((row["slice"], row) for row in rows)
    slots = [(_clock(place * seconds), counted.get(place, {})) for place in range(slices)]
    ticks = [_clock(slices * seconds * quarter / 4) for quarter in range(5)]
    return stacked(label, slots, ticks)


def nice(value: float) -> int:
    """The next round number, for the upper edge."""
    if value <= 5:
        return 5
    scale = 10 ** math.floor(math.log10(value))
    return next(int(step * scale) for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * scale >= value)


def _counted(rows: Iterable[tuple[Any, Row]]) -> dict[Any, dict[str, int]]:
    counted: dict[Any, dict[str, int]] = {}
    for slot, row in rows:
        # What is neither synced nor put off did not get anywhere either.
        series = (
            row["outcome"] if row["outcome"] in SERIES else "error" if row["outcome"] == "failed" else None
        )
        if series:
            given = counted.setdefault(slot, {})
            given[series] = given.get(series, 0) + row["attempts"]
    return counted


def _segments(numbers: Sequence[int], top: int) -> tuple[Segment, ...]:
    segments, y = list[Segment](), HEIGHT
    for name, value in zip(SERIES, numbers, strict=True):
        if value:
            # One error among thousands must be seen.
            height = max(1.2, HEIGHT * value / top)
            y -= height
            segments.append(Segment(name, round(y, 2), round(height, 2)))
    return tuple(segments)


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
