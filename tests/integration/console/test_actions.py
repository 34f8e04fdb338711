"""What operators can do, and the trace each action leaves."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_worker import settings_for, with_services
from tests.integration.console.conftest import Visitor, attempt, enqueue
from web.console import actions


def in_error(catalogue: Catalogue, count: int, *, code: int = 400, **columns: Any) -> list[int]:
    ids = [catalogue.add(ximilar_status="error", error_message="x", **columns).id for _ in range(count)]
    for product in ids:
        attempt(catalogue, product, code=code)
    return ids


def test_retry_of_a_group_asks_first_and_queues_it_in_chunks(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "CHUNK", 2)
    group = in_error(catalogue, 5, code=413)
    other = in_error(catalogue, 1, code=400)
    enqueue(catalogue, group[0])
    page = olga.page("/products/retry?state=error&cause=refused+413")
    assert "Queue 4 products? Products in error: photo too large (413)." in page
    assert "Waiting already 1" in page
    assert catalogue.statuses() == ["todo"], "looking is not doing"
    said = olga.act("/products/retry", state="error", cause="refused 413")
    assert said == "Retry products: queued 4 products."
    assert all(catalogue.statuses(product) == ["todo"] for product in group)
    assert catalogue.statuses(other[0]) == []
    assert (
        olga.act("/products/retry", state="error", cause="refused 413")
        == "Retry products: queued 0 products."
    )


def test_retry_leaves_out_what_is_synced_or_not_ready(olga: Visitor, catalogue: Catalogue) -> None:
    catalogue.add(ximilar_status="synced", brand="Nord")
    catalogue.add(image_status="downloading", brand="Nord")
    ready = catalogue.add(brand="Nord")
    assert "To be queued 1 Waiting already 0 Left out 2" in olga.page("/products/retry?brand=Nord")
    olga.act("/products/retry", brand="Nord")
    assert [job["lock"] for job in catalogue.jobs()] == [f"product:{ready.id}"]


def test_retry_that_runs_out_of_time_says_where_it_is(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "CHUNK", 2)
    monkeypatch.setattr(actions, "BULK_SECONDS", -1.0)
    in_error(catalogue, 3)
    assert olga.act("/products/retry", state="error").startswith("Retry products: queued 2 products so far")
    assert olga.act("/products/retry", state="error").startswith("Retry products: queued 1 product so far")


def test_somebody_else_enqueueing_is_waited_for_and_then_said(
    olga: Visitor, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, owner: psycopg.Connection
) -> None:
    monkeypatch.setattr(actions, "CHUNK_SECONDS", 0.2)
    in_error(catalogue, 1)
    with owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(hashtext('ximilar.enqueue'))")
        assert "it took too long" in olga.act("/products/retry", state="error")
    assert catalogue.statuses() == []


def test_one_product_is_queued_once(olga: Visitor, catalogue: Catalogue) -> None:
    product = catalogue.add().id
    assert olga.act(f"/products/{product}/retry") == "Retry product: queued 1 product."
    assert "a job of this product is waiting already" in olga.act(f"/products/{product}/retry")
    assert catalogue.statuses(product) == ["todo"]


def test_only_a_failed_job_is_retried(olga: Visitor, catalogue: Catalogue) -> None:
    product = catalogue.add().id
    (job,) = enqueue(catalogue, product)
    assert "only a failed job can be retried, this one is todo" in olga.act(f"/jobs/{job}/retry")
    catalogue.owner.execute("UPDATE procrastinate_jobs SET status = 'failed'")
    (second,) = enqueue(catalogue, product)
    assert "another job of the same product is waiting already" in olga.act(f"/jobs/{job}/retry")
    catalogue.owner.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [second])
    assert olga.act(f"/jobs/{job}/retry") == f"Retry job: job {job} is waiting again."
    assert catalogue.statuses(product) == ["todo"]


def test_only_a_waiting_job_is_cancelled(olga: Visitor, catalogue: Catalogue) -> None:
    (job,) = enqueue(catalogue, catalogue.add().id)
    assert olga.act(f"/jobs/{job}/cancel") == f"Cancel job: job {job} is cancelled."
    assert catalogue.statuses() == ["cancelled"]
    assert "only a waiting job can be cancelled, this one is cancelled" in olga.act(f"/jobs/{job}/cancel")


def test_a_job_that_ends_an_open_run_is_not_waited_for(olga: Visitor, catalogue: Catalogue) -> None:
    assert "queued ximilar_sync as job" in olga.act("/schedule/ximilar_sync/run")
    catalogue.owner.execute("UPDATE procrastinate_jobs SET args = jsonb_build_object('run_id', 1)")
    assert "queued ximilar_sync as job" in olga.act("/schedule/ximilar_sync/run")


def test_a_task_is_run_now(olga: Visitor, catalogue: Catalogue) -> None:
    assert "queued ximilar_sync as job" in olga.act("/schedule/ximilar_sync/run")
    assert "is waiting already" in olga.act("/schedule/ximilar_sync/run")
    assert "there is no periodic task nonsense" in olga.act("/schedule/nonsense/run")
    job = catalogue.one("SELECT * FROM procrastinate_jobs")
    assert (job["queue_name"], job["task_name"], job["priority"], job["args"]) == (
        "control",
        "ximilar_sync",
        101,
        {},
    )


def test_a_task_is_paused_and_resumed(olga: Visitor, catalogue: Catalogue) -> None:
    assert "is paused: its ticks pass" in olga.act("/schedule/ximilar_retry/pause")
    assert "is paused already" in olga.act("/schedule/ximilar_retry/pause")
    assert "by olga" in olga.page("/schedule")
    assert "ximilar_retry is paused by olga." in olga.page("/")
    assert "works at its next tick" in olga.act("/schedule/ximilar_retry/resume")
    assert "is not paused" in olga.act("/schedule/ximilar_retry/resume")
    assert "cannot be paused" in olga.act("/schedule/rescue_stalled/pause")


def test_the_rate_is_set_within_bounds(olga: Visitor, catalogue: Catalogue) -> None:
    assert olga.act("/rate", rate="2.5") == "Set rate: the rate is 2.5 requests a second."
    for wrong in ("0", "1000", "nan", "inf", "x"):
        assert "the rate " in olga.act("/rate", rate=wrong)
        assert catalogue.value("SELECT rate FROM throttle") == 2.5
    assert "2.5 set by hand" in olga.page("/rate")
    assert olga.act("/rate", rate="") == "Set rate: the rate is as configured."
    assert catalogue.value("SELECT rate FROM throttle") is None


def test_an_operators_pause_holds_until_it_is_resumed(olga: Visitor, catalogue: Catalogue) -> None:
    olga.act("/rate/pause", reason="invoice unpaid")
    assert catalogue.value("SELECT cause FROM take_slot_v1(0.1, 0.1, 5)") == "operator"
    catalogue.owner.execute("SELECT pause_v1('rate_limited', 429, NULL, 1)")
    catalogue.owner.execute("SELECT note_success_v1(true)")
    assert catalogue.value("SELECT wait FROM take_slot_v1(0.1, 0.1, 5)") is None
    assert "until an operator resumes it" in olga.page("/rate")
    assert olga.act("/rate/resume") == "Resume account: the account goes on."
    assert catalogue.value("SELECT wait FROM take_slot_v1(0.1, 0.1, 5)") is not None
    assert "the account is not paused" in olga.act("/rate/resume")


def test_every_action_is_on_record(olga: Visitor, victor: Visitor, catalogue: Catalogue) -> None:
    olga.act("/rate", rate="3")
    olga.act("/schedule/rescue_stalled/pause")
    entries = catalogue.all(
        "SELECT who, role, action, parameters, ok, result, address FROM audit ORDER BY id"
    )
    assert [(entry["who"], entry["action"], entry["ok"]) for entry in entries] == [
        ("olga", "sign in", True),
        ("victor", "sign in", True),
        ("olga", "set rate", True),
        ("olga", "pause task", False),
    ]
    assert entries[2]["parameters"] == {"rate": "3"}
    assert "set rate rate 3 the rate is 3 requests a second" in victor.page("/audit")


def test_what_came_of_an_action_is_told_to_whoever_did_it(olga: Visitor, victor: Visitor) -> None:
    location = olga.post("/rate", rate="3").headers["location"]
    assert 'class="notice' in olga.get(location).text
    assert 'class="notice' not in victor.get(location).text


def test_an_action_that_was_cut_off_is_seen(olga: Visitor, catalogue: Catalogue) -> None:
    catalogue.owner.execute(
        "INSERT INTO audit (who, role, address, action) VALUES ('x', 'operator', '::1', 'set rate')"
    )
    assert "unfinished" in olga.page("/audit")


@pytest.mark.parametrize("task", ["ximilar_sync", "ximilar_retry", "prune"])
def test_a_paused_tick_does_nothing_and_a_run_by_hand_works(
    database: Database, catalogue: Catalogue, task: str
) -> None:
    from types import SimpleNamespace

    from procrastinate_app import tasks
    from procrastinate_app.services import CONTEXT_KEY

    catalogue.owner.execute("INSERT INTO schedule_pauses (task, paused_by) VALUES (%s, 'olga')", [task])
    catalogue.owner.execute(
        "INSERT INTO runs (kind, completed_at) VALUES ('sync', now() - interval '9 years')"
    )

    job = catalogue.value(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('control', %s) RETURNING id", [task]
    )
    catalogue.start(job)

    async def run(services: Any, timestamp: int | None) -> None:
        context: Any = SimpleNamespace(
            job=SimpleNamespace(id=job, attempts=0, task_name=task),
            additional_context={CONTEXT_KEY: services},
        )
        await getattr(tasks, task)(context, timestamp)

    def traces() -> tuple[int, int]:
        return catalogue.value(
            "SELECT count(*) FROM runs WHERE completed_at > now() - interval '1 h'"
        ), catalogue.value("SELECT count(*) FROM runs WHERE completed_at < now() - interval '1 y'")

    settings = settings_for(database.url)
    with_services(settings, lambda services: run(services, 1_700_000_000))
    assert traces() == (0, 1)
    with_services(settings, lambda services: run(services, None))
    assert traces() == ((0, 0) if task == "prune" else (1, 1))
