"""Profile `fashion`: records have ids of ours. What is sent, in which order, and what becomes of ids in doubt."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from procrastinate_app.record_ids import product_of, record_id
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.test_changes import photos_left, repair, synced


@pytest.fixture
def profile() -> str:
    """The one whose records have ids."""
    return "fashion"


def said(harness: Harness) -> list[tuple[str, str]]:
    """(call, address) of each record that was sent, in order."""
    return [(name, url) for name, _, url in harness.ximilar.calls]


def resend(harness: Harness, sku: str) -> int:
    """Ask for its photos to be sent anew, from this moment on; the job."""
    assert harness.resend(sku) == 1
    job = harness.next_job()
    assert job is not None
    return job


def ids(harness: Harness) -> dict[str, str]:
    """{address: id} of the collection."""
    return {str(photo.url): str(photo.id) for photo in harness.ximilar.collection.photos()}


def in_step(harness: Harness) -> bool:
    """Whether ledger and collection are one, and nothing is in doubt."""
    ledger = dict(harness.rows("SELECT url, remote_id FROM photos"))
    return ledger == ids(harness) and not harness.rows("SELECT FROM strays")


def test_new_photos_come_in_before_metadata_changes_before_old_ones_go(harness: Harness) -> None:
    left = photos_left(harness)

    one, two, three, four = urls("A", 1, 2, 3, 4)
    assert said(harness) == [("store", four), ("update", two), ("update", three), ("remove", one)]
    assert left == [4, 4, 3]  # and each kind is one request
    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_ten_photos_are_a_request(harness: Harness) -> None:
    harness.add("A", urls("A", *range(23)))
    requests: list[int] = []
    harness.ximilar.watch = lambda: requests.append(len(harness.ximilar.photos()))
    harness.sync()
    assert (len(requests), requests[-1]) == (3, 23)


def test_the_same_price_again_is_not_taken_for_what_is_stored(harness: Harness) -> None:
    """The update to the other price was lost on its way back: nobody knows which one is there."""
    product = synced(harness, 1, price="1.00")
    harness.edit(product, price="2.00")
    harness.reconcile()
    harness.ximilar.script = ["drop"]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.edit(product, price="1.00")
    harness.time_passes()

    harness.work()

    assert harness.ximilar.photos() == harness.wanted()


def test_a_value_that_is_no_longer_there_leaves_the_record(harness: Harness) -> None:
    product = synced(harness, 1)
    harness.edit(product, brand=None, name=None)
    repair(harness)
    assert harness.ximilar.photos() == harness.wanted()


def test_a_photo_sent_anew_is_a_new_record_and_the_old_one_goes(harness: Harness) -> None:
    synced(harness, 1, 2)
    before = ids(harness)

    harness.do(resend(harness, "A"))

    assert sorted(said(harness)) == sorted(
        [*(("store", url) for url in before), *(("remove", url) for url in before)]
    )
    assert said(harness)[0][0] == "store"
    assert not set(before.values()) & set(ids(harness).values())
    assert in_step(harness)


@pytest.mark.parametrize("cut_off_at", ["crash_after", "lost"])
@pytest.mark.parametrize("call", [0, 1])
@pytest.mark.parametrize("then", ["goes on", "is asked for again", "is forgotten", "the photo is gone"])
def test_sending_anew_that_was_cut_off_leaves_one_record(
    harness: Harness, cut_off_at: str, call: int, then: str
) -> None:
    product = synced(harness, 1, 2)
    before = ids(harness)
    job = resend(harness, "A")
    harness.ximilar.script = ["ok"] * call + [cut_off_at]
    assert harness.do(job) in ("Crash", "PutBack")

    if then == "is asked for again":
        assert resend(harness, "A") == job
    if then == "is forgotten":
        harness.owner.execute("UPDATE procrastinate_jobs SET status = 'cancelled' WHERE id = %s", [job])
        harness.reconcile()
    if then == "the photo is gone":
        harness.edit(product, image_urls=Jsonb(urls("A", 2)))
    harness.time_passes()
    harness.work()

    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)
    if then != "is forgotten":
        assert not set(before.values()) & set(ids(harness).values())


@pytest.mark.parametrize("cut_off_at", ["crash_after", "lost"])
def test_a_first_photo_that_was_cut_off_and_is_gone_since_leaves_nothing(
    harness: Harness, cut_off_at: str
) -> None:
    product = harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = [cut_off_at]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.edit(product, image_urls=Jsonb(urls("A", 2)))
    harness.time_passes()

    harness.work()

    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_a_product_that_is_gone_takes_with_it_what_was_in_flight(harness: Harness) -> None:
    harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = ["crash_after"]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.owner.execute("DELETE FROM raw_products")
    harness.work()
    for _ in range(2):
        harness.reconcile()
        harness.time_passes()
    harness.reconcile()

    harness.work()

    assert ids(harness) == {}
    assert in_step(harness)


@pytest.mark.parametrize("cut_off_at", ["crash_after", "lost"])
def test_a_photo_that_comes_back_while_it_is_leaving_is_there(harness: Harness, cut_off_at: str) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, image_urls=Jsonb(urls("A", 2)))
    harness.reconcile()
    harness.ximilar.script = [cut_off_at]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.edit(product, image_urls=Jsonb(urls("A", 1, 2)))
    harness.time_passes()

    harness.work()

    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_what_the_collection_has_lost_is_stored_again_when_its_metadata_changes(harness: Harness) -> None:
    product = synced(harness, 1, 2, 3)
    for url in urls("A", 1, 3):
        harness.ximilar.collection.remove(ids(harness)[url])
    harness.edit(product, price="1.00")

    repair(harness)

    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_a_refused_photo_leaves_no_doubt_and_the_others_are_updated(harness: Harness) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, price="1.00", image_urls=Jsonb(urls("A", 1, 2, 3)))
    harness.ximilar.refused = {*urls("A", 3)}

    repair(harness)

    assert harness.state(product) == "error"
    assert {metadata["price"] for metadata in harness.ximilar.photos().values()} == {"1.00"}
    assert in_step(harness)


def test_the_sku_of_a_row_is_updated_like_the_rest(harness: Harness) -> None:
    product = synced(harness, 1)
    harness.edit(product, external_id="B")
    repair(harness)
    assert [name for name, _ in said(harness)] == ["update"]
    assert harness.ximilar.photos() == harness.wanted()


def test_rows_of_one_sku_have_records_of_their_own(harness: Harness) -> None:
    for price in ("1.00", "2.00"):
        harness.add("A", urls("A", 1), price=price)
    harness.sync()
    stored = harness.ximilar.collection.photos()
    assert sorted(str(photo.metadata["price"]) for photo in stored) == ["1.00", "2.00"]
    assert {product_of(str(photo.id)) for photo in stored} == {1, 2}


def test_photos_stored_by_others_are_sent_under_an_id_of_ours(harness: Harness) -> None:
    product = harness.add("A", urls("A", 1, 2), ximilar_status="synced")
    harness.owner.execute(
        "INSERT INTO photos (product_id, profile, collection_id, sku, url)"
        " SELECT 1, 'fashion', 'collection-of-the-tests', 'A', unnest(%s::text[])",
        [urls("A", 1, 2, 3)],
    )
    assert repair(harness)["changed"] == 1  # the third is not listed; nobody knows its id
    assert harness.ximilar.calls == []
    assert harness.value("SELECT count(*) FROM photos") == 2

    harness.edit(product, ximilar_status="pending")
    harness.sync()

    assert ids(harness) == {url: record_id(product, url) for url in urls("A", 1, 2)}
    assert in_step(harness)


def test_a_full_collection_pauses_everybody_and_is_no_products_error(harness: Harness) -> None:
    product = harness.add("A", urls("A", 1, 2))
    harness.ximilar.capacity = 1
    harness.begin("sync")
    job = harness.next_job()
    assert job is not None

    assert harness.do(job) == "PutBack"

    assert harness.rows("SELECT pause_cause FROM throttle") == [("collection_full",)]
    assert harness.state(product) == "pending"
    harness.ximilar.capacity = 0
    harness.time_passes()
    harness.work()
    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)
