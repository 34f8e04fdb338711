"""The database goes away, or refuses, in various ways while workers are busy: they live on, and no photo is lost or
forgotten."""

from __future__ import annotations

import time
from typing import Literal

import psycopg
import pytest

from ops.local.postgres import Cluster
from tests.fix_drill import Drill
from tests.fix_system import System, wait_until

PHOTOS_IN_FLIGHT = 8


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_postgres_restarts(drill: Drill, cluster: Cluster, how: Literal["fast", "immediate", "kill"]) -> None:
    worker = drill.system.worker()
    drill.begin(30, photos=2, sent=15)
    restart(cluster, how)
    drill.healed()
    drill.wait_for_recovery(30)
    drill.judge(again=PHOTOS_IN_FLIGHT)
    assert worker.process.poll() is None
    drill.system.wait_for_logs(1)


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_postgres_restarts_again_and_again(drill: Drill, cluster: Cluster) -> None:
    system = drill.system
    worker = system.worker()
    drill.begin(60, sent=5)
    modes: list[Literal["fast", "immediate", "kill"]] = ["immediate", "kill", "fast"]
    for how in modes:
        stored = len(system.emulator.photos())
        restart(cluster, how)
        drill.wait_for_photos(min(stored + 8, 60), 90)
    drill.figures["restarts"] = len(modes)
    drill.judge(again=len(modes) * PHOTOS_IN_FLIGHT, seconds=200)
    assert worker.process.poll() is None
    charged = "SELECT count(*) FROM ximilar.attempts WHERE outcome IN ('error', 'failed')"
    assert system.query(charged) == [(0,)]


def test_lost_listen_connection_costs_nothing_but_notifications(system: System) -> None:
    worker = system.worker()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"
    wait_until(lambda: system.query(end) == [(True,)], 20)

    system.add_products(2, photos=1)
    system.defer("ximilar_sync")

    system.wait_for_states(30, synced=2)
    assert worker.process.poll() is None


def test_garbage_notification_is_ignored(system: System) -> None:
    worker = system.worker()
    with psycopg.connect(system.database.owner_url, autocommit=True) as anybody:

        def heard() -> bool:
            # Again and again: it may not listen yet.
            anybody.execute("NOTIFY procrastinate_any_queue_v1, 'garbage'")
            return bool(worker.events("notification_ignored"))

        wait_until(heard, 20)

    system.add_products(2, photos=1)
    system.defer("ximilar_sync")

    system.wait_for_states(30, synced=2)
    assert worker.process.poll() is None


def test_revoked_grant_marks_nothing_and_heals(drill: Drill) -> None:
    system = drill.system
    worker = system.worker()
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        owner.execute("REVOKE UPDATE (ximilar_status) ON raw_products FROM ximilar")
        drill.begin(6, sent=6)
        assert system.states() == {"pending": 6}
        owner.execute("GRANT UPDATE (ximilar_status) ON raw_products TO ximilar")
    drill.judge(again=0)
    assert worker.process.poll() is None


REFUSALS = {
    "read only": (
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
        "ALTER DATABASE {database} RESET default_transaction_read_only",
    ),
    "a column renamed": (
        "ALTER TABLE raw_products RENAME category TO kind",
        "ALTER TABLE raw_products RENAME kind TO category",
    ),
    "the queue's grants stripped": (
        "REVOKE ALL ON ximilar.procrastinate_jobs FROM ximilar",
        "GRANT ALL ON ximilar.procrastinate_jobs TO ximilar",
    ),
    "the schema out of reach": (
        "REVOKE USAGE ON SCHEMA public FROM ximilar, public",
        "GRANT USAGE ON SCHEMA public TO ximilar, public",
    ),
}
REFUSED_SECONDS = 15
HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ximilar' AND datname = '{database}'"


@pytest.mark.drill
@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", REFUSALS)
def test_the_database_refuses(drill: Drill, what: str) -> None:
    """Nobody's photo is blamed, the log does not drown, and when it is over the work goes on by itself."""
    system = drill.system
    worker = system.worker()
    drill.begin(40, sent=5)
    refuse, allow = (statement.format(database=system.database.name) for statement in REFUSALS[what])
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        owner.execute(refuse.encode())
        owner.execute(HANG_UP.format(database=system.database.name).encode())
        before, begun = len(worker.log.read_text()), time.monotonic()
        wait_until(lambda: time.monotonic() - begun >= REFUSED_SECONDS, REFUSED_SECONDS + 1)
        said = (len(worker.log.read_text()) - before) // 1024
        owner.execute("SET default_transaction_read_only = off")
        owner.execute(allow.encode())
        owner.execute(HANG_UP.format(database=system.database.name).encode())
    drill.healed()
    drill.wait_for_recovery(60)
    drill.figures["KiB of log"] = said
    drill.judge(again=PHOTOS_IN_FLIGHT)
    assert worker.process.poll() is None
    assert said < 20 * REFUSED_SECONDS


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_a_scraper_locks_the_table(drill: Drill) -> None:
    """For twenty seconds; every statement that waits for it gives up and comes back."""
    system = drill.system
    worker = system.worker()
    drill.begin(30, sent=5)
    with psycopg.connect(system.database.owner_url) as scraper:
        scraper.execute("LOCK TABLE raw_products IN ACCESS EXCLUSIVE MODE")
        scraper.execute("SELECT pg_sleep(20)")
    drill.healed()
    drill.wait_for_recovery(30)
    drill.judge(again=PHOTOS_IN_FLIGHT)
    assert worker.process.poll() is None


def restart(cluster: Cluster, how: Literal["fast", "immediate", "kill"]) -> None:
    """Restart Postgres as an administrator does, or as a crash."""
    if how == "kill":
        cluster.kill()
        cluster.start()
    else:
        cluster.restart(how)
