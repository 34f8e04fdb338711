"""Ticks and deadlines, as the contract and the order of things have them."""

from __future__ import annotations

import datetime
import inspect

import pytest
from croniter import croniter
from procrastinate import App
from procrastinate.testing import InMemoryConnector

from procrastinate_app import deadlines, tasks
from procrastinate_app.schedule import CATCH_UP_SECONDS, CONTROL_PRIORITY, CRON, QUEUES, RESCUE_PRIORITY
from procrastinate_app.ximilar.calls import CALL_SECONDS

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("task", "after", "tick"),
    [
        (
            "ximilar_sync",
            datetime.datetime(2026, 1, 1, tzinfo=UTC),
            datetime.datetime(2026, 1, 4, 10, tzinfo=UTC),
        ),
        (
            "ximilar_sync",
            datetime.datetime(2026, 1, 4, 10, tzinfo=UTC),
            datetime.datetime(2026, 1, 11, 10, tzinfo=UTC),
        ),
        (
            "ximilar_retry",
            datetime.datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime.datetime(2026, 1, 2, 12, tzinfo=UTC),
        ),
        (
            "rescue_stalled",
            datetime.datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime.datetime(2026, 1, 1, 12, 1, tzinfo=UTC),
        ),
    ],
)
def test_the_next_tick(task: str, after: datetime.datetime, tick: datetime.datetime) -> None:
    assert croniter(CRON[task], after).get_next(datetime.datetime) == tick


def test_a_week_of_down_time_is_made_up_for() -> None:
    assert CATCH_UP_SECONDS >= 7 * 86400


@pytest.fixture
def app() -> App:
    app = App(connector=InMemoryConnector())
    tasks.register(app)
    return app


def test_every_tick_has_its_task_and_every_task_its_name(app: App) -> None:
    ours = {name for name in app.tasks if not name.startswith(("builtin:", "procrastinate."))}
    assert ours == {*CRON, "sync_product", "remove_photos"}
    assert {task.task.name for task in app.periodic_registry.periodic_tasks.values()} == set(CRON)


def test_no_task_that_retries_has_a_queueing_lock(app: App) -> None:
    """procrastinate #1446: its job would stay in `doing` for ever."""
    assert [name for name, task in app.tasks.items() if task.queueing_lock] == []


def test_control_tasks_go_first_and_the_rescue_before_them(app: App) -> None:
    priorities = {name: app.tasks[name].priority for name in [*CRON, "sync_product"]}
    assert priorities == {
        **{"ximilar_sync": CONTROL_PRIORITY, "ximilar_retry": CONTROL_PRIORITY, "prune": CONTROL_PRIORITY},
        **{"reconcile": CONTROL_PRIORITY, "queue_touched": CONTROL_PRIORITY},
        **{"rescue_stalled": RESCUE_PRIORITY, "sync_product": 0},
    }


def test_every_queue_is_known_to_the_fetch(app: App) -> None:
    assert {task.queue for task in app.tasks.values()} <= set(QUEUES)


@pytest.mark.parametrize("task", CRON)
def test_a_periodic_task_can_be_deferred_by_hand_without_arguments(app: App, task: str) -> None:
    parameters = list(inspect.signature(app.tasks[task].func).parameters.values())[1:]
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters)


def test_each_deadline_ends_before_the_next() -> None:
    order = [
        *(CALL_SECONDS, deadlines.JOB, deadlines.GRACEFUL, deadlines.STOP),
        *(deadlines.RESCUE_PRODUCT, deadlines.RESCUE_CONTROL),
    ]
    assert order == sorted(set(order))
    assert CALL_SECONDS == 30
    assert deadlines.JOB == deadlines.PUSH + deadlines.CALL
    assert deadlines.SILENT > 3 * deadlines.BEAT
