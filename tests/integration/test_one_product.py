"""One product's way through a real database and real sockets: what is sent, kept, and written."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

import psycopg
import pytest

from procrastinate_app import deadlines, outcome, sending, sync
from procrastinate_app.retry import PutBack
from procrastinate_app.services import Services
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_upstream import Held, Upstream, code, silence
from tests.fix_worker import Worker, eventually, opened, with_services


def test_photos_in_the_ledger_are_not_sent_again(
    catalogue: Catalogue, worker_anywhere: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(3)
    upstream.once(product.urls[1], code(400))
    assert worker_anywhere.sync_product(product.id) == "error"
    assert worker_anywhere.sync_product(product.id) == "synced"
    assert sorted(upstream.photos) == sorted([*product.urls, product.urls[1]])
    assert catalogue.stored(product.id) == product.urls


def test_a_pending_row_whose_photos_are_stored_sends_nothing(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(2)
    worker.sync_product(product.id)
    catalogue.edit(product.id, ximilar_status="pending", ximilar_synced_at=None)
    assert worker.sync_product(product.id) == "synced"
    assert len(upstream.requests) == 2
    assert catalogue.row(product.id)["ximilar_synced_at"] is not None


def test_a_pending_row_with_other_content_sends_all(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(2)
    worker.sync_product(product.id)
    catalogue.edit(product.id, ximilar_status="pending", price="1.00")
    assert worker.sync_product(product.id) == "synced"
    assert sorted(upstream.photos) == sorted(product.urls * 2)


def test_a_synced_row_with_an_empty_ledger_sends_nothing(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(2, ximilar_status="synced")
    assert worker.sync_product(product.id) == "synced"
    assert upstream.requests == []


def test_a_resend_sends_all_once_however_often_its_job_is_repeated(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(2)
    worker.sync_product(product.id)
    now = catalogue.value("SELECT extract(epoch FROM clock_timestamp())::float8")
    upstream.once(product.urls[1], code(503))
    assert worker.sync_product(product.id, sent_before=now) == "put back: server_fault"
    assert worker.sync_product(product.id, sent_before=now) == "synced"
    assert upstream.photos.count(product.urls[0]) == 2
    assert upstream.photos.count(product.urls[1]) == 3


def test_a_resend_job_carries_over_an_edit_made_while_it_waited(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(1)
    asked = catalogue.value("SELECT extract(epoch FROM clock_timestamp())::float8")
    worker.sync_product(product.id, sent_before=asked)
    catalogue.edit(product.id, name="Another coat", ximilar_status="pending")
    assert worker.sync_product(product.id, sent_before=asked) == "synced"
    assert [sent.body["metadata"]["name"] for sent in upstream.requests] == ["Coat", "Another coat"]


@pytest.mark.parametrize("image_status", [None, "pending", "downloading"])
def test_a_row_that_is_not_ready_sends_nothing_and_keeps_its_state(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, image_status: str | None
) -> None:
    product = catalogue.add(image_status=image_status)
    before = catalogue.row(product.id)
    assert worker.sync_product(product.id) == "not_ready"
    assert (catalogue.row(product.id), upstream.requests) == (before, [])


def test_a_row_that_is_gone(catalogue: Catalogue, worker: Worker) -> None:
    assert worker.sync_product(4711) == "gone"
    assert catalogue.outcomes(4711) == ["gone"]


def during_the_call(worker: Worker, ticket_product: int, then: Callable[[], None]) -> str:
    """Sync a product, and do something while its first photo is on its way."""
    upstream, catalogue = worker.upstream, worker.catalogue
    held = Held(code(200))
    upstream.always("*", held)

    def interfere() -> None:
        held.arrived.wait(20)
        then()
        held.release.set()

    thread = threading.Thread(target=interfere)
    thread.start()
    became = worker.sync(catalogue.hold(ticket_product))
    thread.join()
    return became


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another coat"},
        {"price": None},
        {"image_status": "pending"},
        {"image_urls": "[]"},
        {"external_id": "SKU-other"},
    ],
)
def test_a_row_that_is_edited_meanwhile_keeps_its_state_and_is_queued_again(
    catalogue: Catalogue, worker: Worker, change: dict[str, object]
) -> None:
    product = catalogue.add(1)
    became = during_the_call(worker, product.id, lambda: catalogue.edit(product.id, **change))
    assert became == "moved"
    assert catalogue.state(product.id) == "pending"
    assert catalogue.stored(product.id) == product.urls
    assert catalogue.statuses(product.id) == ["doing", "todo"]


def test_a_row_that_is_only_touched_meanwhile_is_synced(catalogue: Catalogue, worker: Worker) -> None:
    product = catalogue.add(1)

    def touch() -> None:
        catalogue.owner.execute("UPDATE raw_products SET updated_at = now() + interval '1 s'")

    assert during_the_call(worker, product.id, touch) == "synced"


def test_a_row_that_is_deleted_meanwhile_is_gone(catalogue: Catalogue, worker: Worker) -> None:
    product = catalogue.add(1)
    delete = "DELETE FROM raw_products"
    assert during_the_call(worker, product.id, lambda: void(catalogue.owner.execute(delete))) == "gone"
    assert catalogue.stored(product.id) == product.urls


def void(_result: object) -> None:
    """Forget a result."""


def test_scrapers_may_name_their_columns_as_they_like(catalogue: Catalogue, worker: Worker) -> None:
    """Also as we name what an outcome is written with."""
    arguments = catalogue.value("SELECT proargnames FROM pg_proc WHERE proname = 'record_outcome_v1'")
    for name in (*arguments, "present", "instead"):
        catalogue.owner.execute(f"ALTER TABLE raw_products ADD COLUMN {name} text")
    product = catalogue.add(1)
    assert worker.sync_product(product.id) == "synced"
    assert catalogue.state(product.id) == "synced"


def test_a_job_that_was_taken_over_writes_only_its_photos_and_its_attempt(
    catalogue: Catalogue, worker: Worker
) -> None:
    product = catalogue.add(1)
    before = catalogue.row(product.id)

    def take_over() -> None:
        catalogue.owner.execute(
            "SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM procrastinate_jobs"
        )

    assert during_the_call(worker, product.id, take_over) == "late"
    assert catalogue.row(product.id) == before
    assert catalogue.stored(product.id) == product.urls
    assert catalogue.outcomes(product.id) == ["late"]


def test_a_crash_between_answer_and_record_sends_nothing_twice(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = catalogue.add(4)

    async def crash(*_arguments: object) -> str:
        raise SystemError("kill -9")

    with monkeypatch.context() as patch:
        patch.setattr(outcome, "record", crash)
        with pytest.raises(SystemError):
            worker.sync(catalogue.hold(product.id))
    catalogue.owner.execute("DELETE FROM procrastinate_jobs")
    assert worker.sync_product(product.id) == "synced"
    assert sorted(upstream.photos) == product.urls


def test_a_cancelled_job_keeps_the_answer_it_was_waiting_for(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(1)
    held = Held(code(200))
    upstream.once(product.urls[0], held)

    async def cancel() -> None:
        async with opened(worker.settings) as services:
            job = asyncio.create_task(sync.sync_product(services, catalogue.hold(product.id)))
            await eventually(held.arrived.is_set)
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job
            held.release.set()

    asyncio.run(cancel())
    assert catalogue.stored(product.id) == product.urls


def test_a_refused_product_does_not_stop_the_others(
    catalogue: Catalogue, worker_anywhere: Worker, upstream: Upstream
) -> None:
    products = [catalogue.add(2) for _ in range(5)]
    bad = products[2]
    upstream.always(bad.urls[0], code(415, "not an image"))
    for product in products:
        catalogue.queue(product.id)
    worker_anywhere.until(lambda: catalogue.statuses() == ["succeeded"] * 5)
    states = [catalogue.state(product.id) for product in products]
    assert states == ["synced", "synced", "error", "synced", "synced"]
    assert catalogue.row(bad.id)["error_message"] == f"{bad.urls[0]}: 415 not an image"
    assert catalogue.stored(bad.id) == [bad.urls[1]]


def test_one_that_met_three_faults_while_others_succeeded_is_in_error(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    bad, good = catalogue.add(), [catalogue.add() for _ in range(3)]
    upstream.always(bad.urls[0], code(500, "oops", request_id="r-42"))
    job = catalogue.queue(bad.id)
    outcomes = []
    for attempt, other in enumerate(good):
        catalogue.start(job)
        outcomes.append(worker.sync(ticket(bad.id, job, attempt)))
        if attempt < 2:
            requeue(catalogue, job)
            assert worker.sync_product(other.id) == "synced"
    assert outcomes == ["put back: server_fault", "put back: server_fault", "error"]
    row = catalogue.row(bad.id)
    assert row["error_message"] == "met 3 times while other products succeeded: 500 oops"
    last = catalogue.attempts(bad.id)[-1]
    assert (last["outcome"], last["cause"], last["code"], last["request_id"]) == (
        *("error", "server_fault", 500),
        "r-42",
    )


def ticket(product: int, job: int, attempt: int, run_id: int | None = None) -> outcome.Ticket:
    """What the task of a job's n-th life knows."""
    return outcome.Ticket(product, job, attempt, run_id)


def requeue(catalogue: Catalogue, job: int) -> None:
    """Put a job back as procrastinate does."""
    catalogue.owner.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job])


def test_one_alone_with_its_faults_is_never_in_error(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add()
    upstream.always("*", code(500))
    job = catalogue.queue(product.id)
    for attempt in range(8):
        catalogue.start(job)
        assert worker.sync(ticket(product.id, job, attempt)).startswith("put back")
        requeue(catalogue, job)
        catalogue.end_pause()
    assert catalogue.state(product.id) == "pending"


@pytest.mark.parametrize("number", [401, 402, 403, 412, 429, 503])
def test_an_outage_marks_nothing(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, number: int
) -> None:
    products = [catalogue.add() for _ in range(12)]
    upstream.always("*", code(number))
    for product in products:
        catalogue.queue(product.id)
    worker.until(lambda: catalogue.throttle()["is_paused"] and "doing" not in catalogue.statuses())
    asked = len(upstream.requests)
    assert asked <= 12
    assert {catalogue.state(product.id) for product in products} == {"pending"}
    assert set(catalogue.statuses()) == {"todo"}
    upstream.recover()
    catalogue.end_pause()
    worker.until(lambda: set(catalogue.statuses()) == {"succeeded"})
    assert {catalogue.state(product.id) for product in products} == {"synced"}


def test_poison_at_the_head_of_the_queue_does_not_keep_the_rest_from_being_sent(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    """Five products that Ximilar always answers with 500 pause the account; the probe must not be theirs for ever."""
    poison = [catalogue.add() for _ in range(6)]
    good = [catalogue.add() for _ in range(4)]
    for product in poison:
        upstream.always(product.urls[0], code(500))
    for product in [*poison, *good]:
        catalogue.queue(product.id)
    worker.variables["WORKER_CONCURRENCY"] = "2"

    def done() -> bool:
        if catalogue.throttle()["is_paused"] and "doing" not in catalogue.statuses():
            catalogue.end_pause()
        return {catalogue.state(product.id) for product in good} == {"synced"}

    worker.until(done, seconds=15)


def test_an_account_fault_pauses_also_after_another_fault_of_the_same_product(
    catalogue: Catalogue, worker: Worker, upstream: Upstream
) -> None:
    product = catalogue.add(2)
    failing, refused = Held(code(503)), Held(code(401))
    upstream.once(product.urls[0], failing)
    upstream.once(product.urls[1], refused)

    async def work(services: Services) -> str:
        job = asyncio.create_task(sync.sync_product(services, catalogue.hold(product.id)))
        await eventually(lambda: failing.arrived.is_set() and refused.arrived.is_set())
        failing.release.set()
        await eventually(lambda: catalogue.throttle()["faults"] == 1)
        refused.release.set()
        try:
            return await job
        except PutBack as put_back:
            return str(put_back)

    assert with_services(worker.settings, work) == "token_refused"
    assert catalogue.throttle()["pause_cause"] == "token_refused"


def test_after_a_failed_ledger_write_nothing_more_is_sent_for_the_product(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job comes back, and must not meet its own former life, still sending."""
    monkeypatch.setattr(sync, "DATABASE_FAULT_SECONDS", 0.0)
    monkeypatch.setattr(sending, "LEDGER_PATIENCE_SECONDS", 0.0)
    product = catalogue.add(12)
    first, *others = held = [Held(code(200)) for _ in range(3)]
    for url, answer in zip(product.urls, held, strict=False):
        upstream.once(url, answer)

    async def refuse(*_arguments: object) -> None:
        raise psycopg.errors.InsufficientPrivilege("permission denied for table photos")

    async def work(services: Services) -> None:
        job = asyncio.create_task(sync.sync_product(services, catalogue.hold(product.id)))
        await eventually(lambda: all(answer.arrived.is_set() for answer in held))
        with monkeypatch.context() as patch:
            patch.setattr(services.uploader._ledger, "store", refuse)
            first.release.set()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await job
        for answer in others:
            answer.release.set()
        await eventually(lambda: len(catalogue.stored(product.id)) == 2)
        await services.uploader.finish()

    with_services(worker.settings, work)
    assert sorted(upstream.photos) == product.urls[:3]


def test_a_product_of_very_many_photos_goes_back_to_the_queue_with_its_progress(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "PUSH", 0.3)
    worker.variables["XIMILAR_RATE_LIMIT"] = "50"
    product = catalogue.add(40)
    assert worker.sync_product(product.id) == "put back: unfinished"
    part = len(catalogue.stored(product.id))
    assert 5 <= part <= 20
    monkeypatch.undo()
    assert worker.sync_product(product.id) == "synced"
    assert sorted(upstream.photos) == sorted(product.urls)


def test_a_locked_row_puts_the_job_back_and_sends_nothing_twice(
    database: Database,
    catalogue: Catalogue,
    worker: Worker,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync, "DATABASE_FAULT_SECONDS", 0.0)
    catalogue.owner.execute(f"ALTER ROLE ximilar IN DATABASE {database.name} SET lock_timeout = '200ms'")
    product = catalogue.add(2)
    catalogue.queue(product.id)
    with psycopg.connect(database.owner_url) as scraper:
        scraper.execute("SELECT FROM raw_products FOR UPDATE")
        worker.until(lambda: catalogue.jobs(product.id)[0]["attempts"] >= 1)
    worker.until(lambda: catalogue.statuses(product.id) == ["succeeded"])
    assert catalogue.state(product.id) == "synced"
    assert sorted(upstream.photos) == product.urls


def test_silence_is_not_waited_for_longer_than_the_deadline(
    catalogue: Catalogue, worker: Worker, upstream: Upstream, impatient: Callable[[float], None]
) -> None:
    impatient(0.3)
    good, slow = catalogue.add(), catalogue.add()
    upstream.always(slow.urls[0], silence())
    for product in (slow, good):
        catalogue.queue(product.id)
    worker.until(lambda: catalogue.state(good.id) == "synced")
    assert catalogue.outcomes(slow.id)[0] == "postponed"
    assert catalogue.state(slow.id) == "pending"
