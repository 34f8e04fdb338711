"""Credits among the metrics: who can ask for them, and what a refusal does to the rest of the page."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from procrastinate_app.metrics import credit, exporter
from procrastinate_app.metrics import families as f
from procrastinate_app.metrics.collector import SyncCollector
from procrastinate_app.metrics.samples import Sample
from procrastinate_app.metrics.watch import Watch
from procrastinate_app.settings import Settings
from procrastinate_app.ximilar.account import credits_call, credits_call_of
from procrastinate_app.ximilar.calls import Response
from procrastinate_app.ximilar.errors import Forbidden, Nonsense, TokenRefused, XimilarError

SETTINGS = dataclasses.replace(
    Settings.from_env({"STAGING_DB_URL": "postgresql://a@b/c", "XIMILAR_API_TOKEN": "t"}, frozenset()),
    profile="fashion",
)


def page(*watches: Watch) -> str:
    registry = CollectorRegistry()
    registry.register(SyncCollector(watches))
    return generate_latest(registry).decode()


def watch_of(name: str, found: list[Sample] | Exception) -> Watch:
    """A watch that was asked once."""

    def ask() -> list[Sample]:
        if isinstance(found, Exception):
            raise found
        return found

    watch = Watch(name, ask, 300)
    watch.refresh()
    return watch


def test_only_a_token_in_a_profile_that_has_the_call_is_asked_with() -> None:
    assert credit.watch(SETTINGS) is not None
    assert credit.watch(dataclasses.replace(SETTINGS, token="")) is None
    assert credit.watch(dataclasses.replace(SETTINGS, profile="recognition")) is None
    assert credits_call_of("recognition") is None


def test_the_exporter_watches_them_beside_the_database() -> None:
    assert [watch.name for watch in exporter._watches(SETTINGS)] == ["live", "census", "drift", "credits"]
    without = dataclasses.replace(SETTINGS, token="")
    assert [watch.name for watch in exporter._watches(without)] == ["live", "census", "drift"]


def test_they_are_known_while_the_database_is_away() -> None:
    live = watch_of("live", psycopg.OperationalError("gone"))
    text = page(live, watch_of(credit.NAME, [Sample(f.CREDITS, 7), Sample(f.CREDITS_WARN, 10)]))
    assert "ximilar_up 0.0\n" in text
    assert "ximilar_credits_left 7.0\n" in text
    assert "ximilar_credits_warn_below 10.0\n" in text
    assert 'ximilar_collect_age_seconds{group="credits"}' in text


@pytest.mark.parametrize("error", [TokenRefused("Invalid token.", code=401), RuntimeError("nonsense")])
def test_a_refusal_takes_no_other_figure_with_it(error: Exception) -> None:
    text = page(watch_of("live", [Sample(f.WORKERS_ALIVE, 2)]), watch_of(credit.NAME, error))
    assert "ximilar_workers_alive 2.0\n" in text
    assert 'ximilar_collect_success{group="credits"} 0.0\n' in text
    assert "credits_left" not in text


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"detail": "Invalid token."}', TokenRefused),
        (403, b'{"detail": "no"}', Forbidden),
        (200, b"{}", Nonsense),
        (200, b"<html>", Nonsense),
        (200, b'{"credits_counter": "many"}', Nonsense),
    ],
)
def test_what_is_no_counter_is_an_error(status: int, body: bytes, error: type[XimilarError]) -> None:
    with pytest.raises(error):
        credits_call().read(Response(status, {}, body))


def test_a_counter_without_a_limit() -> None:
    found = credits_call().read(Response(200, {}, b'{"credits_counter": "12"}'))
    assert (found.left, found.limit) == (12, None)
