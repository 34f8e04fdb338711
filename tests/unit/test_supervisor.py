"""A worker that falls is started again, and given up only when it stays down."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from procrastinate_app import supervisor
from procrastinate_app.settings import Settings

SETTINGS = Settings.from_env(
    {"STAGING_DB_URL": "postgresql://h/d", "XIMILAR_API_TOKEN": "t", "XIMILAR_COLLECTION_ID": "c"}
)


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def supervise(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, int, float]]:
    """Run a supervisor whose worker lives like this; (exit code, lives, seconds)."""

    def run(life: Callable[[int, Clock], Any]) -> tuple[int, int, float]:
        clock, lives = Clock(), 0
        monkeypatch.setattr(time, "monotonic", clock.monotonic)
        found = supervisor._Supervisor(SETTINGS)

        class App:
            def __init__(self, _settings: Settings) -> None:
                nonlocal lives
                lives += 1

            def open_async(self) -> App:
                return self

            async def __aenter__(self) -> App:
                what = life(lives, clock)
                if isinstance(what, BaseException):
                    raise what
                return self

            async def __aexit__(self, *_: object) -> None:
                pass

            async def run_worker_async(self, **_: object) -> None:
                clock.now += 20 * 60 if lives == 3 else 0
                if lives >= 5:
                    found._stopping.set()

        async def wait(seconds: float) -> None:
            clock.now += seconds

        monkeypatch.setattr(supervisor, "SyncApp", App)
        monkeypatch.setattr(found, "_pause", wait)
        monkeypatch.setattr(found, "_install_signal_handlers", lambda: None)
        return asyncio.run(found.run()), lives, clock.now - 1000.0

    return run


def test_a_worker_that_ends_by_itself_is_started_again(supervise: Any) -> None:
    exit_code, lives, _ = supervise(lambda life, clock: None)
    assert (exit_code, lives) == (0, 5)


def test_without_a_database_it_gives_up_after_ten_minutes(supervise: Any) -> None:
    """A pool that gets no connection says so after thirty seconds: that is no life of a worker."""

    def no_database(life: int, clock: Clock) -> BaseException:
        clock.now += 30.0
        if life > 100:
            raise AssertionError("it never gives up")
        return psycopg.OperationalError("no database")

    exit_code, _, seconds = supervise(no_database)
    assert exit_code == supervisor.EX_UNAVAILABLE
    assert supervisor.GIVE_UP_SECONDS <= seconds < supervisor.GIVE_UP_SECONDS + 60


def test_a_refused_connection_is_retried_with_longer_and_longer_pauses(supervise: Any) -> None:
    times: list[float] = []

    def refused(_life: int, clock: Clock) -> BaseException:
        times.append(clock.now)
        return psycopg.OperationalError("refused")

    exit_code, lives, _ = supervise(refused)
    assert exit_code == supervisor.EX_UNAVAILABLE
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]
    assert lives < 60


def test_a_schema_that_is_not_there_ends_it_at_once(supervise: Any) -> None:
    with pytest.raises(RuntimeError, match="migrate"):
        supervise(lambda life, clock: RuntimeError("run migrate"))
