"""The geometry of charts."""

from __future__ import annotations

import datetime

import pytest

from web.console import charts

NOW = datetime.datetime(2026, 11, 22, 12, 34, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def row(hours_ago: int, outcome: str, attempts: int) -> dict[str, object]:
    return {"hour": NOW.replace(minute=0) - hours_ago * HOUR, "outcome": outcome, "attempts": attempts}


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 5), (5, 5), (6, 6), (7, 8), (10, 10), (11, 15), (99, 100), (1234, 1500), (6001, 8000)],
)
def test_the_upper_edge_is_round(value: int, top: int) -> None:
    assert charts.nice(value) == top


def test_bars_stand_on_each_other_and_on_the_floor() -> None:
    chart = charts.by_hour([row(0, "synced", 60), row(0, "error", 30), row(0, "postponed", 10)], NOW)
    assert (chart.top, len(chart.bars)) == (100, 24)
    synced, error, postponed = chart.bars[-1].segments
    assert (synced.y, synced.height) == (40, 60)
    assert (error.y, error.height) == (10, 30)
    assert (postponed.y, postponed.height) == (0, 10)
    assert chart.bars[-1].title == "Sun 12:00: 60 synced, 30 error, 10 postponed"
    assert chart.summary == "Last 24 hours: 60 synced, 30 error, 10 postponed"


def test_one_error_among_thousands_is_seen() -> None:
    chart = charts.by_hour([row(3, "synced", 9000), row(3, "error", 1)], NOW)
    assert chart.filled[0].segments[1].height > 1


def test_nothing_is_an_empty_chart() -> None:
    chart = charts.by_hour([], NOW)
    assert chart.filled == []
    assert chart.top == 5
    assert chart.bars[0].title == "Sat 13:00: nothing"


def test_what_is_too_old_and_what_says_nothing_about_throughput_is_left_out() -> None:
    chart = charts.by_hour([row(24, "synced", 5), row(0, "moved", 5), row(0, "failed", 2)], NOW)
    assert chart.totals == (0, 2, 0)


def test_days_add_their_hours_up() -> None:
    chart = charts.by_day([row(0, "synced", 1), row(5, "synced", 2), row(30, "synced", 4)], NOW)
    assert [bar.numbers[0] for bar in chart.bars[-3:]] == [0, 4, 3]
    assert chart.ticks[-1] == "today"


def test_a_run_is_cut_in_slices() -> None:
    rows = [
        {"slice": 0, "outcome": "synced", "attempts": 3},
        {"slice": 47, "outcome": "error", "attempts": 1},
    ]
    chart = charts.by_slice(rows, 100.0, 48, "Run 1")
    assert (chart.bars[0].numbers, chart.bars[47].numbers) == ((3, 0, 0), (0, 1, 0))
    assert chart.ticks == ("0:00", "20:00", "40:00", "1:00:00", "1:20:00")
