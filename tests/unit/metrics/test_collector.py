"""What is shown while all is well, while the database is away, and when figures have grown old."""

from __future__ import annotations

import threading

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from procrastinate_app.metrics import families as f
from procrastinate_app.metrics.collector import SyncCollector
from procrastinate_app.metrics.samples import Distribution, Sample
from procrastinate_app.metrics.watch import Watch

ALIVE = [Sample(f.WORKERS_ALIVE, 2)]


class Asked:
    """A database that answers, or not."""

    def __init__(self, answer: list[Sample] | Exception) -> None:
        self.answer = answer

    def __call__(self) -> list[Sample]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def page(*watches: Watch, capacity: int = 0) -> str:
    registry = CollectorRegistry()
    registry.register(SyncCollector(watches, capacity=capacity))
    return generate_latest(registry).decode()


def test_figures_are_shown_with_their_age() -> None:
    watch = Watch("live", Asked(ALIVE), 10)
    watch.refresh()
    text = page(watch)
    assert "ximilar_up 1.0\n" in text
    assert "ximilar_workers_alive 2.0\n" in text
    assert 'ximilar_collect_age_seconds{group="live"}' in text


def test_before_the_first_answer_nothing_is_claimed() -> None:
    text = page(Watch("live", Asked(ALIVE), 10))
    assert "ximilar_up 0.0\n" in text
    assert "workers_alive" not in text


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), TypeError("nonsense")])
def test_a_failure_withholds_the_old_figures(error: Exception) -> None:
    asked = Asked(ALIVE)
    watch = Watch("live", asked, 10)
    watch.refresh()
    asked.answer = error
    watch.refresh()
    text = page(watch)
    assert "ximilar_up 0.0\n" in text
    assert "workers_alive" not in text
    assert "collect_age" not in text
    asked.answer = ALIVE
    watch.refresh()
    assert "ximilar_up 1.0\n" in page(watch)


def test_a_group_that_fails_takes_no_other_with_it() -> None:
    live, census = Watch("live", Asked(ALIVE), 10), Watch("census", Asked(psycopg.Error()), 60)
    live.refresh()
    census.refresh()
    text = page(live, census)
    assert "ximilar_up 1.0\n" in text
    assert 'ximilar_collect_success{group="census"} 0.0\n' in text


def test_while_the_database_is_away_the_costly_groups_are_silent_as_well() -> None:
    live, census = Watch("live", Asked(psycopg.Error()), 10), Watch("census", Asked(ALIVE), 60)
    live.refresh()
    census.refresh()
    assert "workers_alive" not in page(live, census)


def test_figures_that_nobody_renews_are_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch("live", Asked(ALIVE), 10)
    watch.refresh()
    later = watch.latest().taken + 34
    monkeypatch.setattr("procrastinate_app.metrics.watch.time.monotonic", lambda: later)
    assert "ximilar_up 0.0\n" in page(watch)


def test_a_capacity_is_shown_where_it_is_known() -> None:
    assert "capacity" not in page()
    assert "ximilar_collection_capacity_photos 500.0\n" in page(capacity=500)


def test_a_histogram_is_written_as_one() -> None:
    times = Sample(f.ATTEMPT_SECONDS, Distribution([("1.0", 2.0), ("+Inf", 3.0)], 4.5), ("synced",))
    watch = Watch("live", Asked([times]), 10)
    watch.refresh()
    text = page(watch)
    assert 'ximilar_attempt_duration_seconds_bucket{le="1.0",outcome="synced"} 2.0\n' in text
    assert 'ximilar_attempt_duration_seconds_count{outcome="synced"} 3.0\n' in text
    assert 'ximilar_attempt_duration_seconds_sum{outcome="synced"} 4.5\n' in text


def test_it_asks_again_and_again_until_it_is_stopped() -> None:
    enough = threading.Semaphore(0)

    def ask() -> list[Sample]:
        enough.release()
        return ALIVE

    watch = Watch("live", ask, 0.001)
    watch.start()
    for _ in range(3):
        assert enough.acquire(timeout=10)
    watch.stop()
