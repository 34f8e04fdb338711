"""What changes in the catalogue is carried over to the collection, and nothing else is sent."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fix_system import BOTH_PROFILES
from tests.integration.reconcile.harness import Harness, urls


def synced(harness: Harness, *places: int, sku: str = "A", **columns: Any) -> int:
    product = harness.add(sku, urls(sku, *places), **columns)
    harness.sync()
    assert harness.state(product) == "synced"
    harness.ximilar.calls.clear()
    return product


def repair(harness: Harness) -> dict[str, Any]:
    ended = harness.reconcile()
    harness.work()
    return ended


def photos_left(harness: Harness) -> list[int]:
    """Change everything about a product of three photos; how many were stored after each call."""
    product = synced(harness, 1, 2, 3)
    harness.edit(product, price="1.00", image_urls=Jsonb(urls("A", 2, 3, 4)))
    left: list[int] = []
    harness.ximilar.watch = lambda: left.append(len(harness.ximilar.photos()))
    repair(harness)
    return left


@BOTH_PROFILES
@pytest.mark.parametrize(
    "change",
    [
        {"price": "499.00"},
        {"name": "Another coat"},
        {"brand": None},
        {"external_id": "B"},
        {"image_urls": Jsonb(urls("A", 1, 2, 3))},
        {"image_urls": Jsonb(urls("A", 2))},
        {"image_urls": Jsonb(urls("A", 3, 4)), "price": "1.00"},
    ],
)
def test_a_change_of_a_synced_product_reaches_the_collection(
    harness: Harness, change: dict[str, Any]
) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, **change)

    assert (repair(harness)["changed"], harness.state(product)) == (1, "synced")

    assert harness.ximilar.photos() == harness.wanted()
    assert repair(harness)["changed"] == 0


@BOTH_PROFILES
def test_identical_rewrites_cause_nothing(harness: Harness) -> None:
    synced(harness, 1, 2)
    harness.owner.execute(
        "UPDATE raw_products SET name = name, price = 599, image_urls = image_urls, updated_at = now()"
    )

    assert repair(harness)["changed"] == 0
    assert harness.ximilar.calls == []


def test_photos_are_replaced_one_at_a_time_and_gone_ones_removed_last(harness: Harness) -> None:
    left = photos_left(harness)

    one, two, three, four = urls("A", 1, 2, 3, 4)
    assert [(name, url) for name, _, url in harness.ximilar.calls] == [
        ("store", four),
        ("remove", two),
        ("store", two),
        ("remove", three),
        ("store", three),
        ("remove", one),
    ]
    assert min(left) == 3


@BOTH_PROFILES
def test_what_the_switches_forbid_is_counted_and_not_done(harness: Harness) -> None:
    product = synced(harness, 1, 2)
    harness.variables.update(XIMILAR_REMOVE="off", XIMILAR_CARRY_METADATA="off")
    harness.edit(product, price="1.00", image_urls=Jsonb(urls("A", 2)))

    ended = repair(harness)

    assert (ended["changed"], ended["queued"], ended["would_carry"], ended["would_remove"]) == (1, 0, 1, 1)
    assert harness.ximilar.calls == []


@BOTH_PROFILES
def test_a_switch_off_still_adds_photos(harness: Harness) -> None:
    product = synced(harness, 1)
    harness.variables.update(XIMILAR_REMOVE="off", XIMILAR_CARRY_METADATA="off")
    harness.edit(product, price="1.00", image_urls=Jsonb(urls("A", 1, 2)))

    repair(harness)

    assert harness.ximilar.calls == [("store", "A", urls("A", 2)[0])]


def test_a_refused_replacement_leaves_the_other_photos_searchable(harness: Harness) -> None:
    product = synced(harness, 1, 2, 3)
    harness.edit(product, price="1.00")
    harness.ximilar.refused = {*urls("A", 1, 2, 3)}

    repair(harness)

    assert harness.state(product) == "error"
    assert len(harness.ximilar.photos()) == 2


@BOTH_PROFILES
def test_photos_that_are_all_new_and_all_refused_push_nothing_out(harness: Harness) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, image_urls=Jsonb(urls("A", 3, 4)))
    harness.ximilar.refused = {*urls("A", 3, 4)}

    repair(harness)

    assert harness.state(product) == "error"
    assert [url for _, url in sorted(harness.ximilar.photos())] == urls("A", 1, 2)


@pytest.mark.parametrize(
    "emptied", [[], None, "no list", {"a": 1}, [7], ["ftp://x"], ["http://localhost/1.jpg"]]
)
def test_an_emptied_row_is_in_error_and_keeps_its_photos(harness: Harness, emptied: Any) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, image_urls=Jsonb(emptied))

    repair(harness)

    assert harness.state(product) == "error"
    assert len(harness.ximilar.photos()) == 2


@pytest.mark.parametrize("cut_off_at", ["crash_before", "crash_after", "drop", "lost"])
@pytest.mark.parametrize(("profile", "call"), [("recognition", 0), ("recognition", 1), ("fashion", 0)])
def test_a_replacement_that_was_cut_off_is_completed(harness: Harness, cut_off_at: str, call: int) -> None:
    product = synced(harness, 1)
    harness.edit(product, price="1.00")
    harness.reconcile()
    harness.ximilar.script = ["ok"] * call + [cut_off_at]
    job = harness.next_job()
    assert job is not None
    assert harness.do(job) in ("Crash", "PutBack")

    harness.time_passes()
    harness.edit(product, price="2.00")
    harness.work()

    assert harness.state(product) == "synced"
    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
def test_what_is_there_already_is_not_taken_for_ours(harness: Harness) -> None:
    product = harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = ["crash_after"]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.edit(product, price="1.00")

    harness.work()

    assert harness.ximilar.photos() == harness.wanted()


def test_without_leave_to_replace_it_is_recorded_as_unknown(harness: Harness) -> None:
    harness.variables.update(XIMILAR_REMOVE="off", XIMILAR_CARRY_METADATA="off")
    product = harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = ["crash_after"]
    job = harness.next_job()
    assert job is not None
    harness.do(job)

    harness.work()

    assert harness.state(product) == "synced"
    assert harness.rows("SELECT content_hash FROM photos") == [(None,)]


@BOTH_PROFILES
def test_rows_synced_before_there_was_a_ledger_are_left_alone(harness: Harness) -> None:
    harness.add("A", urls("A", 1), ximilar_status="synced")

    assert repair(harness)["changed"] == 0
    assert harness.ximilar.calls == []


@pytest.mark.parametrize("happens", ["drop", "crash_after"])
def test_a_photo_whose_answer_was_lost_leaves_when_the_row_lists_others(
    harness: Harness, happens: str
) -> None:
    product = harness.add("A", urls("A", 1))
    harness.ximilar.script = [happens]
    harness.begin("sync")
    harness.do(harness.next_job() or 0)
    assert harness.ximilar.photos().keys() == {("A", urls("A", 1)[0])}
    harness.edit(product, image_urls=Jsonb(urls("A", 2)))

    harness.time_passes()
    harness.work()
    repair(harness)

    assert harness.ximilar.photos() == harness.wanted()


@pytest.mark.parametrize("happens", ["drop", "crash_after"])
def test_a_photo_whose_answer_was_lost_leaves_with_its_row(harness: Harness, happens: str) -> None:
    product = harness.add("A", urls("A", 1))
    harness.ximilar.script = [happens]
    harness.begin("sync")
    harness.do(harness.next_job() or 0)
    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [product])

    harness.time_passes()
    harness.work()
    repair(harness)
    harness.time_passes()
    repair(harness)

    assert harness.ximilar.photos() == {}
    assert harness.rows("SELECT * FROM photos") == []


def test_a_photo_that_was_sent_in_vain_is_sent_again_and_not_taken_out(harness: Harness) -> None:
    harness.add("A", urls("A", 1))
    harness.ximilar.script = ["503"]
    harness.begin("sync")
    harness.do(harness.next_job() or 0)

    harness.time_passes()
    harness.work()

    assert [name for name, _, _ in harness.ximilar.calls] == ["store"]
    assert harness.ximilar.photos() == harness.wanted()


def test_a_refused_photo_is_known_to_nobody(harness: Harness) -> None:
    harness.add("A", urls("A", 1, 2))
    harness.ximilar.refused = set(urls("A", 1))

    harness.sync()

    assert harness.rows("SELECT url FROM photos") == [(urls("A", 2)[0],)]
