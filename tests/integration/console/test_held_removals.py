"""Candidates for removal: what the page tells of them, and their application by an operator."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from procrastinate_app import reconcile, tasks
from procrastinate_app.retry import PutBack
from procrastinate_app.services import CONTEXT_KEY
from tests.fix_catalogue import Catalogue
from tests.fix_postgres import Database
from tests.fix_worker import COLLECTION, settings_for, with_services
from tests.integration.console.conftest import Visitor
from web.console import candidates
from web.console.desk import now
from web.console.pages import removals as page

GONE = 25


@pytest.fixture
def make_olga(make_app: Callable[..., Any]) -> Callable[..., Visitor]:
    """An operator at a console of these settings; removing is on."""
    return lambda **variables: Visitor(make_app(**{"XIMILAR_REMOVE": "on", **variables}), "olga")


@pytest.fixture
def held(database: Database, catalogue: Catalogue) -> None:
    """25 of 30 stored products are gone, missing twice, and held."""
    for _ in range(30):
        store(catalogue, catalogue.add(ximilar_status="synced").id)
    catalogue.owner.execute("DELETE FROM raw_products WHERE id <= %s", [GONE])
    work(database)
    age(catalogue)
    work(database)
    assert catalogue.value("SELECT held FROM passes ORDER BY id DESC LIMIT 1") == GONE


def store(catalogue: Catalogue, product: int) -> None:
    """Write the product's first photo into the ledger."""
    catalogue.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, sku, url, content_hash)"
        " SELECT id, 'recognition', %s, external_id, image_urls ->> 0,"
        " content_hash_v1(external_id, brand, name, category, price) FROM raw_products WHERE id = %s",
        [COLLECTION, product],
    )


def age(catalogue: Catalogue) -> None:
    """Let eleven minutes pass for the candidates."""
    catalogue.owner.execute("UPDATE removals SET found_at = found_at - interval '11 min'")


def work(database: Database, *, attempts: int = 0, remove: str = "on", **arguments: Any) -> None:
    """Do the task `reconcile` as a worker would."""

    async def run(services: Any) -> None:
        job = SimpleNamespace(task_name="reconcile", attempts=attempts)
        context: Any = SimpleNamespace(job=job, additional_context={CONTEXT_KEY: services})
        await tasks.reconcile(context, **arguments)

    with_services(settings_for(database.url, XIMILAR_REMOVE=remove), run)


def work_queued(database: Database, catalogue: Catalogue) -> None:
    """Do the job that applies removals, with its arguments."""
    job = catalogue.one("SELECT * FROM procrastinate_jobs WHERE args ? 'apply' AND status = 'todo'")
    work(database, **job["args"])
    catalogue.owner.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [job["id"]])


def leaving(catalogue: Catalogue) -> int:
    """How many products have a job that removes their photos."""
    found: int = catalogue.value("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'remove_photos'")
    return found


def test_nothing_is_known_before_the_first_comparison(olga: Visitor) -> None:
    assert "No comparison has ended yet" in olga.page("/removals")
    assert "Nothing is removed XIMILAR_REMOVE is off." in olga.page("/removals/apply")


@pytest.mark.usefixtures("held")
def test_what_is_held_is_told_here_and_on_the_overview(make_olga: Callable[..., Visitor]) -> None:
    olga = make_olga()
    said = olga.page("/removals")
    assert "25 removals are held since comparison 2, now: too many at once." in said
    assert "Nothing is removed until an operator applies them" in said
    assert "Apply 25…" in said
    assert "not yet confirmed 0 confirmed 25 being removed 0" in said
    assert "SKU-25 confirmed Its row is gone from the catalogue 25 1 11 min ago now" in said
    assert "25 removals are held since comparison 2" in olga.page("/")


@pytest.mark.usefixtures("held")
def test_with_the_switch_off_it_says_how_many_would_go(olga: Visitor, catalogue: Catalogue) -> None:
    said = olga.page("/removals")
    assert "XIMILAR_REMOVE is off for the profile recognition: nothing is removed." in said
    assert "With it on, 25 products would be removed, or held if that is too many at once." in said
    assert "Apply" not in said
    assert "removals are held" not in olga.page("/")
    assert "XIMILAR_REMOVE is off: nothing is removed" in olga.act("/removals/apply", most="25")
    assert catalogue.value("SELECT count(*) FROM procrastinate_jobs WHERE args ? 'apply'") == 0


@pytest.mark.usefixtures("held")
def test_records_that_were_never_confirmed_count_as_photos(olga: Visitor, catalogue: Catalogue) -> None:
    stray = "INSERT INTO strays VALUES ('recognition', %s, 'r1', 25, false)"
    catalogue.owner.execute(stray, [COLLECTION])
    assert "SKU-25 confirmed Its row is gone from the catalogue 25 2 11 min ago now" in olga.page("/removals")


def test_candidates_by_state_and_reason_page_by_page(
    make_olga: Callable[..., Visitor],
    database: Database,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "PAGE", 2)
    ids = [catalogue.add(ximilar_status="synced").id for _ in range(5)]
    for product in ids:
        store(catalogue, product)
    catalogue.owner.execute("UPDATE raw_products SET image_status = 'pending' WHERE id <= 3")
    catalogue.owner.execute("""UPDATE raw_products SET image_urls = '[]' WHERE id = 4""")
    catalogue.owner.execute("DELETE FROM raw_products WHERE id = 5")
    work(database)
    catalogue.owner.execute(
        "UPDATE removals SET found_at = found_at - interval '11 min' WHERE product_id = 1"
    )
    olga = make_olga()
    first = olga.page("/removals")
    assert "not yet confirmed 4 confirmed 1 being removed 0" in first
    assert "SKU-5 not yet confirmed Its row is gone" in first
    assert "SKU-4 not yet confirmed Its row lists no photo" in first
    assert "SKU-3" not in first
    assert 'href="/removals?below=4"' in olga.get("/removals").text
    assert "SKU-3 not yet confirmed Its photos are not ready" in olga.page("/removals?below=4")
    assert "The next comparison removes 1 product." in first
    confirmed = olga.page("/removals?state=confirmed&reason=not_ready")
    assert "SKU-1 confirmed" in confirmed
    assert "SKU-2" not in confirmed
    assert "No candidate that is being removed because its row is gone" in olga.page(
        "/removals?state=leaving&reason=gone"
    )
    rows = olga.get("/removals?below=6").text
    assert '/products/4"' in rows
    assert '/products/5"' not in rows, "its page is gone, too"


@pytest.mark.usefixtures("held")
def test_apply_asks_first_and_queues_one_job(
    make_olga: Callable[..., Visitor], database: Database, catalogue: Catalogue
) -> None:
    olga = make_olga()
    assert "Remove the photos of 25 products?" in olga.page("/removals/apply")
    assert catalogue.value("SELECT count(*) FROM procrastinate_jobs WHERE args ? 'apply'") == 0
    said = olga.act("/removals/apply", most="25")
    assert said.startswith("Apply removals: queued as job ")
    assert said.endswith("it looks again, and removes at most 25 products.")
    job = catalogue.one("SELECT * FROM procrastinate_jobs WHERE args ? 'apply'")
    facts = {name: job[name] for name in ("queue_name", "task_name", "lock", "args", "priority")}
    assert facts == {
        **{"queue_name": "control", "task_name": "reconcile", "lock": "reconcile"},
        **{"args": {"apply": 25}, "priority": 101},
    }
    assert f"job {job['id']} is to apply 25 already" in olga.act("/removals/apply", most="25")
    assert f"Job {job['id']} waits for a worker" in olga.page("/removals")
    assert "It is on its way" in olga.page("/removals/apply")
    entries = catalogue.all(
        "SELECT who, action, parameters, ok FROM audit WHERE action <> 'sign in' ORDER BY id"
    )
    assert [(entry["who"], entry["action"], entry["ok"]) for entry in entries] == [
        ("olga", "apply removals", True),
        ("olga", "apply removals", False),
    ]
    assert entries[0]["parameters"] == {"most": 25}
    work_queued(database, catalogue)
    assert leaving(catalogue) == GONE
    assert "SKU-25 being removed" in olga.page("/removals")
    assert "Nothing is about to be removed." in olga.page("/removals")
    assert "removals are held" not in olga.page("/")
    assert "nothing is to be removed" in olga.act("/removals/apply", most="25")


@pytest.mark.usefixtures("held")
def test_a_number_that_has_grown_is_refused_and_shown(
    make_olga: Callable[..., Visitor], database: Database, catalogue: Catalogue
) -> None:
    olga = make_olga()
    assert "25 products would be removed by now, more than 24" in olga.act("/removals/apply", most="24")
    for wrong in ("", "-25", "25.0", "x", "9" * 30):
        assert "25 products would be removed by now, more than 0" in olga.act("/removals/apply", most=wrong)
    olga.act("/removals/apply", most="25")
    catalogue.owner.execute("DELETE FROM raw_products WHERE id = 26")
    catalogue.owner.execute(
        "INSERT INTO removals (product_id, profile, collection_id, reason, found_at)"
        " VALUES (26, 'recognition', %s, 'gone', now() - interval '11 min')",
        [COLLECTION],
    )
    work_queued(database, catalogue)
    assert leaving(catalogue) == 0
    said = olga.page("/removals")
    assert "26 removals are held since comparison 2, now (then 25): too many at once." in said
    assert "Apply 26…" in said


@pytest.mark.usefixtures("held")
def test_what_is_back_by_then_stays(
    make_olga: Callable[..., Visitor], database: Database, catalogue: Catalogue
) -> None:
    olga = make_olga()
    olga.act("/removals/apply", most="25")
    catalogue.owner.execute(
        "INSERT INTO raw_products (id, external_id, image_urls, image_status, ximilar_status)"
        " OVERRIDING SYSTEM VALUE SELECT product_id, sku, jsonb_build_array(url), 'uploaded', 'synced'"
        " FROM photos WHERE product_id = 1"
    )
    work_queued(database, catalogue)
    assert leaving(catalogue) == GONE - 1
    assert "SKU-1 being removed" not in olga.page("/removals?below=2")


@pytest.mark.usefixtures("held")
def test_a_worker_that_may_not_remove_refuses(database: Database, catalogue: Catalogue) -> None:
    work(database, remove="off", apply=GONE)
    assert leaving(catalogue) == 0
    assert catalogue.value("SELECT count(*) FROM passes") == 2


@pytest.mark.usefixtures("held")
def test_an_application_that_was_cut_off_goes_on(
    database: Database, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.owner.execute(
        "INSERT INTO passes (kind, profile, collection_id, started_at) VALUES"
        " ('full', 'recognition', %s, now() - interval '5 h')",
        [COLLECTION],
    )
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "COMPARISON_SECONDS", -1.0)
        with pytest.raises(PutBack):
            work(database, apply=GONE)
    assert catalogue.value("SELECT count(*) FROM passes") == 4, "a look of its own"
    work(database, attempts=1, apply=GONE)
    assert leaving(catalogue) == GONE
    ended = catalogue.one("SELECT completed_at, removing FROM passes WHERE id = 4")
    assert ended["completed_at"] is not None
    assert ended["removing"] == GONE


def test_a_comparison_by_hand_has_its_lock_and_does_not_wait_for_a_second_look(
    make_olga: Callable[..., Visitor], database: Database, catalogue: Catalogue
) -> None:
    store(catalogue, catalogue.add(ximilar_status="synced").id)
    catalogue.owner.execute("DELETE FROM raw_products")
    work(database)
    assert "queued reconcile as job" in make_olga().act("/schedule/reconcile/run")
    first = catalogue.all("SELECT lock, args FROM procrastinate_jobs ORDER BY priority DESC, id")
    assert [(row["lock"], row["args"]) for row in first] == [
        ("reconcile", {}),
        ("reconcile", {"recheck": True}),
    ]


def test_the_tasks_of_the_comparison_and_their_pause(olga: Visitor) -> None:
    assert "reconcile is paused" in olga.act("/schedule/reconcile/pause")
    assert "cannot be paused: what the trigger notes would pile up" in olga.act(
        "/schedule/queue_touched/pause"
    )


def test_without_a_count_nothing_is_promised() -> None:
    held: dict[str, Any] = {"profile": "recognition", "held": 0}
    said = candidates.outlook(held, None, reconcile.Guard(), now(), may_remove=True)
    assert said.text.startswith("The next comparison removes an unknown number of products.")
