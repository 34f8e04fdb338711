"""The database goes away in various ways while workers are busy: they live on, and no photo is lost or forgotten."""

from __future__ import annotations

import os
import signal
from typing import Literal

import psycopg
import pytest

from ops.local.postgres import Cluster
from tests.fix_system import System, most_in_a_second, wait_until

PHOTOS_IN_FLIGHT = 8


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_worker_survives_a_restart_of_postgres(
    system: System, cluster: Cluster, how: Literal["fast", "immediate", "kill"]
) -> None:
    system.add_products(30, photos=2)
    worker = system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 15, 30)

    if how == "kill":
        cluster.kill()
        cluster.start()
    else:
        cluster.restart(how)

    system.wait_for_states(90, synced=30)
    assert worker.process.poll() is None
    assert system.emulator.photos() == system.listed_photos()
    assert system.emulator.state()["photos_sent_again"] <= PHOTOS_IN_FLIGHT
    assert most_in_a_second(system.emulator.arrivals()) <= 10
    system.wait_for_logs(1)


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
        anybody.execute("NOTIFY procrastinate_any_queue_v1, 'garbage'")
    wait_until(lambda: bool(worker.events("notification_ignored")), 20)

    system.add_products(2, photos=1)
    system.defer("ximilar_sync")

    system.wait_for_states(30, synced=2)
    assert worker.process.poll() is None


def test_frozen_worker_neither_loses_nor_repeats_more_than_it_held(system: System) -> None:
    """A worker that is stopped for longer than its heartbeat may pause is taken over; what it says late is refused."""
    system.add_products(40, photos=2)
    frozen = system.worker()
    system.defer("ximilar_sync")
    wait_until(lambda: len(system.emulator.photos()) >= 10, 30)
    os.kill(frozen.process.pid, signal.SIGSTOP)
    system.worker()

    system.wait_for_states(115, synced=40)

    os.kill(frozen.process.pid, signal.SIGCONT)
    assert frozen.end() == 0
    assert system.states() == {"synced": 40}
    assert system.emulator.photos() == system.listed_photos()
    assert system.emulator.state()["photos_sent_again"] <= PHOTOS_IN_FLIGHT
    ((fetched, new),) = system.query("SELECT records_fetched, records_new FROM scraper_logs")
    assert (fetched, new) == (40, 40)


def test_revoked_grant_marks_nothing_and_heals(system: System) -> None:
    system.add_products(6, photos=1)
    system.query("SELECT 1")
    with psycopg.connect(system.database.owner_url, autocommit=True) as owner:
        owner.execute("REVOKE UPDATE (ximilar_status) ON raw_products FROM ximilar")
        worker = system.worker()
        system.defer("ximilar_sync")
        wait_until(lambda: len(system.emulator.photos()) == 6, 40)
        assert system.states() == {"pending": 6}
        owner.execute("GRANT UPDATE (ximilar_status) ON raw_products TO ximilar")

    system.wait_for_states(60, synced=6)
    assert system.emulator.state()["photos_sent_again"] == 0
    assert worker.process.poll() is None
