"""Numbers, times and cron in words."""

from __future__ import annotations

import datetime

import pytest

from procrastinate_app.schedule import CRON
from procrastinate_app.ximilar import errors
from web.console import phrases
from web.console.pages.schedule import MEANINGS

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (1234567, "1,234,567"), (2.5, "2.5"), (None, phrases.NOTHING)]
)
def test_number(value: float | None, said: str) -> None:
    assert phrases.number(value) == said


def test_a_capped_count_says_so() -> None:
    assert phrases.capped(10_000, 10_001) == "10,000"
    assert phrases.capped(10_001, 10_001) == "10,000+"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (0, "0 %"),
        (1, "< 0.1 %"),
        (5000, "0.5 %"),
        (500_000, "50 %"),
        (999_999, "> 99.9 %"),
        (1_000_000, "100 %"),
    ],
)
def test_a_little_is_never_none(part: int, said: str) -> None:
    assert phrases.percent(part, 1_000_000) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.25, "250 ms"),
        (2.5, "2.5 s"),
        (59.6, "1 min"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert phrases.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "now"), (30, "30 s ago"), (200, "3 min ago"), (-7500, "in 2 h 5 min"), (86400 * 3, "3 d ago")],
)
def test_ago(seconds: float, said: str) -> None:
    assert phrases.ago(NOW - datetime.timedelta(seconds=seconds), NOW) == said


def test_a_moment_is_told_in_utc() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=4))
    assert phrases.moment(NOW.astimezone(zone)) == "2026-11-22 12:00:00 UTC"


def test_cron_in_words() -> None:
    assert phrases.cron("0 10 * * 0") == "At 10:00, only on Sunday"
    assert phrases.cron("* * * * *") == "Every minute"


def test_every_periodic_task_is_explained() -> None:
    assert set(MEANINGS) == set(CRON)


def test_causes_have_words_and_keep_their_code() -> None:
    assert phrases.cause("refused 413") == "photo too large (413)"
    assert phrases.cause("refused 400") == "Ximilar refused the photo (400)"
    assert phrases.cause("made_up") == "made up"
    assert phrases.cause(None) == "no cause given"


def test_every_cause_of_the_client_has_words() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    causes = {kind.cause for kind in classes if issubclass(kind, errors.XimilarError)}
    assert causes - {"error"} <= set(phrases.CAUSES)
