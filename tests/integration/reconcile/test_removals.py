"""What is gone from the catalogue leaves the collection: later, not all at once, and nobody else's photo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from procrastinate_app import reconcile
from tests.fix_system import BOTH_PROFILES
from tests.integration.reconcile.harness import Harness, urls

COLUMNS = "external_id, brand, name, category, price, image_urls, image_status"


def fill(harness: Harness, products: int, photos: int = 1) -> list[int]:
    """So many products, stored and synced, without a call."""
    ids = []
    for number in range(products):
        sku = f"S{number}"
        ids.append(harness.add(sku, urls(sku, *range(photos))))
    harness.sync()
    harness.ximilar.calls.clear()
    return ids


def two_passes(harness: Harness) -> dict[str, Any]:
    """A pass, and another one eleven minutes later; then the work that follows."""
    harness.reconcile()
    harness.time_passes()
    ended = harness.reconcile()
    harness.work()
    return ended


@BOTH_PROFILES
@pytest.mark.parametrize(
    "how",
    [
        "DELETE FROM raw_products WHERE id = 1",
        "UPDATE raw_products SET image_status = 'pending' WHERE id = 1",
        "UPDATE raw_products SET image_status = NULL WHERE id = 1",
        "UPDATE raw_products SET image_urls = '[]' WHERE id = 1",
        """UPDATE raw_products SET image_urls = '["http://localhost/x.jpg"]' WHERE id = 1""",
    ],
)
def test_a_product_without_a_place_leaves_after_it_was_missing_twice(harness: Harness, how: str) -> None:
    fill(harness, 2, photos=2)
    harness.owner.execute(how.encode())
    harness.reconcile()
    harness.work()
    assert len(harness.ximilar.photos()) == 4

    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()
    assert len(harness.ximilar.photos()) == 2
    assert harness.rows("SELECT * FROM removals") == []


def test_twice_within_ten_minutes_is_not_twice(harness: Harness) -> None:
    fill(harness, 1)
    harness.owner.execute("DELETE FROM raw_products")
    for _ in range(3):
        harness.reconcile()
        harness.time_passes(3)
    harness.work()
    assert len(harness.ximilar.photos()) == 1


def test_the_first_pass_queues_a_second_look_for_itself_once(harness: Harness) -> None:
    fill(harness, 1)
    harness.owner.execute("DELETE FROM raw_products")
    harness.reconcile()
    harness.reconcile()
    query = (
        "SELECT args ->> 'recheck', extract(epoch FROM scheduled_at - now())::int FROM procrastinate_jobs"
        " WHERE task_name = 'reconcile'"
    )
    ((recheck, seconds),) = harness.rows(query)
    assert recheck == "true"
    assert 600 < seconds <= 660


def test_a_second_look_at_the_candidates_alone_is_enough(harness: Harness) -> None:
    fill(harness, 3)
    harness.owner.execute("DELETE FROM raw_products WHERE id = 2")
    harness.reconcile()
    harness.time_passes()

    ended = harness.run(
        reconcile.go_on(harness.database, harness.services.collection, "recheck", until=float("inf"))
    )
    harness.work()

    assert (ended["kind"], ended["removing"]) == ("recheck", 1)
    assert harness.ximilar.photos() == harness.wanted()


def test_a_product_that_is_back_in_time_stays_and_its_candidacy_with_it(harness: Harness) -> None:
    (product,) = fill(harness, 1)
    harness.edit(product, image_status="pending")
    harness.reconcile()
    harness.edit(product, image_status="uploaded")
    harness.time_passes()
    harness.reconcile()
    assert harness.rows("SELECT * FROM removals") == []
    harness.edit(product, image_status="pending")
    harness.reconcile()
    harness.work()
    assert len(harness.ximilar.photos()) == 1


def test_a_product_that_is_back_when_its_removal_runs_is_kept(harness: Harness) -> None:
    (product,) = fill(harness, 1)
    harness.edit(product, image_status="pending")
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()
    harness.edit(product, image_status="uploaded")

    harness.work()

    assert (len(harness.ximilar.photos()), harness.state(product)) == (1, "synced")
    assert harness.value("SELECT outcome FROM attempts ORDER BY id DESC LIMIT 1") == "kept"


def test_a_removed_product_is_selected_when_it_returns(harness: Harness) -> None:
    (product,) = fill(harness, 1)
    harness.edit(product, image_status="pending")
    two_passes(harness)
    assert harness.rows("SELECT ximilar_status, ximilar_synced_at FROM raw_products") == [("pending", None)]

    harness.edit(product, image_status="uploaded")
    harness.sync()

    assert harness.ximilar.photos() == harness.wanted()


@pytest.mark.parametrize("cut_off_at", ["crash_before", "crash_after", "drop", "lost", "503"])
@pytest.mark.parametrize(("profile", "call"), [("recognition", 0), ("recognition", 1), ("fashion", 0)])
def test_a_removal_that_was_cut_off_is_completed(harness: Harness, cut_off_at: str, call: int) -> None:
    (product,) = fill(harness, 1, photos=2)
    harness.edit(product, image_status="pending")
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()
    harness.ximilar.script = ["ok"] * call + [cut_off_at]
    job = harness.next_job()
    assert job is not None
    assert harness.do(job) in ("Crash", "PutBack")
    assert harness.state(product) == "pending"

    harness.calm()
    harness.work()

    assert harness.ximilar.photos() == {}
    assert harness.rows("SELECT * FROM photos") == []


@pytest.mark.parametrize(
    ("stored", "gone", "held"), [(30, 20, 0), (30, 21, 21), (21, 21, 21), (500, 24, 0), (500, 25, 25)]
)
def test_too_many_at_once_are_held(harness: Harness, stored: int, gone: int, held: int) -> None:
    stock(harness, stored)
    harness.owner.execute("DELETE FROM raw_products WHERE id <= %s", [gone])

    ended = two_passes(harness)

    assert (ended["held"], ended["removing"]) == (held, 0 if held else gone)
    assert len([call for call in harness.ximilar.calls if call[0] == "remove"]) == (0 if held else gone)


def test_over_500_are_held_however_large_the_catalogue(harness: Harness) -> None:
    stock(harness, 20_000)
    harness.owner.execute("DELETE FROM raw_products WHERE id <= 501")
    assert two_passes(harness)["held"] == 501


def test_held_removals_are_applied_by_their_number(harness: Harness) -> None:
    stock(harness, 30)
    harness.owner.execute("DELETE FROM raw_products WHERE id <= 25")
    assert two_passes(harness)["held"] == 25

    def apply(most: int) -> tuple[int, bool]:
        applied: tuple[int, bool] = harness.run(
            reconcile.apply_removals(harness.database, harness.services.collection, most)
        )
        return applied

    assert apply(24) == (25, False)
    harness.work()
    assert harness.ximilar.calls == []
    assert apply(25) == (25, True)
    harness.work()
    assert len(harness.ximilar.calls) == 25


@BOTH_PROFILES
def test_truncate_and_copy_removes_nothing(harness: Harness) -> None:
    fill(harness, 5, photos=2)
    harness.owner.execute("CREATE TABLE public.dump AS SELECT * FROM raw_products")
    harness.owner.execute("TRUNCATE raw_products")
    harness.reconcile()
    harness.owner.execute("INSERT INTO raw_products SELECT * FROM public.dump")
    two_passes(harness)
    assert harness.ximilar.calls == []


@BOTH_PROFILES
@pytest.mark.parametrize("synced_first", [True, False])
def test_truncate_and_copy_with_new_ids_sends_and_removes_nothing(
    harness: Harness, synced_first: bool
) -> None:
    """The old ids' photos are the new ids' photos: under their SKU there is only one record."""
    fill(harness, 5, photos=2)
    before = harness.ximilar.photos()
    harness.owner.execute(f"CREATE TABLE public.dump AS SELECT {COLUMNS} FROM raw_products".encode())  # noqa: S608  names of ours
    harness.owner.execute("TRUNCATE raw_products")
    harness.owner.execute(
        f"INSERT INTO raw_products ({COLUMNS}) SELECT * FROM public.dump".encode()  # noqa: S608  names of ours
    )
    if synced_first:
        harness.sync()

    two_passes(harness)
    harness.sync()

    assert harness.ximilar.photos() == before == harness.wanted()
    assert harness.rows("SELECT DISTINCT ximilar_status FROM raw_products") == [("synced",)]
    assert harness.rows("SELECT count(*), min(product_id) FROM photos") == [(10, 6)]
    if not synced_first:
        assert harness.ximilar.calls == []


def test_what_two_rows_share_stays_until_the_last_of_them_is_gone(harness: Harness) -> None:
    first = harness.add("A", urls("A", 1, 2))
    second = harness.add("A", urls("A", 1, 3))
    harness.sync()
    harness.edit(first, image_urls=Jsonb(urls("A", 2)))
    harness.reconcile()
    harness.work()
    assert {url for _, url in harness.ximilar.photos()} == set(urls("A", 1, 2, 3))

    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [second])
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


def test_two_rows_that_share_a_photo_do_not_replace_each_others_for_ever(harness: Harness) -> None:
    first = harness.add("A", urls("A", 1), price="1.00")
    second = harness.add("A", urls("A", 1), price="2.00")
    harness.sync()
    harness.ximilar.calls.clear()
    for _ in range(2):
        harness.reconcile()
        harness.work()
    assert harness.ximilar.calls == []

    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [first])
    two_passes(harness)
    harness.reconcile()
    harness.work()

    assert harness.state(second) == "synced"
    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
def test_with_the_switch_off_removals_are_counted_and_not_done(harness: Harness) -> None:
    fill(harness, 2)
    harness.variables["XIMILAR_REMOVE"] = "off"
    harness.owner.execute("DELETE FROM raw_products WHERE id = 1")

    ended = two_passes(harness)

    assert (ended["absent"], ended["would_remove"], ended["removing"], ended["held"]) == (1, 1, 0, 0)
    assert harness.ximilar.calls == []


def test_a_pass_that_is_cut_off_goes_on_where_it_was(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "CHUNK", 2)
    fill(harness, 7)
    harness.owner.execute("UPDATE raw_products SET price = 1")
    collection = harness.services.collection
    clock = iter([0.0, 0.0, 9.0])
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        assert harness.run(reconcile.go_on(harness.database, collection, "full", until=5.0)) is None
    assert harness.rows("SELECT cursor, changed FROM passes") == [(4, 4)]

    ended = harness.run(reconcile.go_on(harness.database, collection, "full", until=float("inf")))

    assert (ended["id"], ended["changed"], ended["queued"]) == (1, 7, 7)


def stock(harness: Harness, products: int) -> None:
    """Products that are synced and in the ledger, a photo each; the collection itself is empty."""
    harness.owner.execute(
        """
        INSERT INTO raw_products (external_id, image_urls, image_status, ximilar_status)
        SELECT 'S' || n, jsonb_build_array('https://photos.example.com/' || n), 'uploaded', 'synced'
          FROM generate_series(1, %s) AS n
        """,
        [products],
    )
    harness.owner.execute(
        """
        INSERT INTO photos (product_id, profile, collection_id, sku, url, content_hash)
        SELECT id, 'recognition', 'collection-of-the-tests', external_id, image_urls ->> 0,
               content_hash_v1(external_id, brand, name, category, price)
          FROM raw_products
        """
    )


@BOTH_PROFILES
def test_under_a_number_that_is_another_products_now_nothing_is_left(harness: Harness) -> None:
    """Numbered anew after a TRUNCATE, and the product that has the number now cannot be stored."""
    first, second = harness.add("A", urls("A", 1)), harness.add("B", urls("B", 1))
    harness.sync()
    (refused,) = urls("C", 1)
    harness.ximilar.refused.add(refused)
    harness.edit(second, external_id="A", image_urls=Jsonb(urls("A", 1)), ximilar_status="pending")
    harness.edit(first, external_id="C", image_urls=Jsonb([refused]), ximilar_status="pending")

    harness.sync()
    two_passes(harness)

    assert harness.state(first) == "error"
    assert set(harness.ximilar.photos()) == {("A", urls("A", 1)[0])}
