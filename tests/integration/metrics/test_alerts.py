"""Things are broken on purpose in a real system, and a real Prometheus raises the right alert and no other."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.fix_system import Emulator, System
from tests.integration.metrics.conftest import Prometheus


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """Quick: nothing here depends on Ximilar's pace."""
    return start_emulator(rate=0, delay=0.0)


def test_each_break_raises_its_own_alert(system: System, prometheus: Prometheus) -> None:
    usual_weeks(system)
    stranger = system.worker(XIMILAR_API_TOKEN="revoked-token")
    prometheus.wait_for()

    # The token is refused: the account pauses, no product changes its state.
    system.add_products(3)
    system.defer("ximilar_sync")
    prometheus.wait_for("TokenRefused")
    assert system.states() == {"pending": 3}
    assert "XIMILAR_API_TOKEN" in prometheus.runbook("TokenRefused")

    # The cure of the runbook: the valid token, a restart, and the pause ends by its probe.
    assert stranger.end() == 0
    worker = system.worker()
    system.query("UPDATE ximilar.throttle SET paused_until = clock_timestamp() RETURNING 1")
    system.wait_for_states(synced=3)
    system.wait_for_logs(1)
    prometheus.wait_for()

    # Seven days later a run finds an empty table, and ends well.
    system.query("UPDATE ximilar.runs SET completed_at = completed_at - interval '7 days' RETURNING 1")
    system.query("DELETE FROM raw_products RETURNING 1")
    system.defer("ximilar_sync")
    assert system.wait_for_logs(2)[-1]["status"] == "success"
    prometheus.wait_for("SyncDidLess")
    assert "image_status" in prometheus.runbook("SyncDidLess")
    system.query("UPDATE ximilar.runs SET synced = 4 WHERE fetched = 0 RETURNING 1")
    prometheus.wait_for()

    # The worker is killed. Its silence is made older, to spare the test the half minute.
    worker.end(signal.SIGKILL)
    system.query("UPDATE ximilar.workers SET beat_at = now() - interval '10 min' RETURNING 1")
    prometheus.wait_for("WorkerDead")
    assert "systemctl restart ximilar-worker" in prometheus.runbook("WorkerDead")
    system.worker()
    prometheus.wait_for()


def usual_weeks(system: System) -> None:
    """Three Sundays of four products each, the last one a week ago."""
    system.query(
        """
        INSERT INTO ximilar.runs (kind, started_at, completed_at, fetched, synced, errors, status)
        SELECT 'sync', now() - week * interval '7 days 10 min', now() - week * interval '7 days', 4, 4, 0, 'success'
          FROM generate_series(1, 3) AS week
        RETURNING 1
        """
    )
