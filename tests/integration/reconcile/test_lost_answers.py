"""A call that had its effect and whose answer was lost, and a row that says something else when it is made again."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from tests.fix_system import BOTH_PROFILES
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.test_changes import synced
from tests.integration.reconcile.test_removals import two_passes

LOST = pytest.mark.parametrize("lost", ["drop", "crash_after", "crash_before"])


def next_call_is(harness: Harness, lost: str) -> None:
    """Do the next job, the answer of whose first call is lost; then let time pass."""
    harness.ximilar.script = [lost]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    harness.time_passes()


@BOTH_PROFILES
@LOST
def test_a_photo_that_was_leaving_and_is_listed_again_is_there(harness: Harness, lost: str) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, image_urls=Jsonb(urls("A", 2)))
    harness.reconcile()
    next_call_is(harness, lost)
    harness.edit(product, image_urls=Jsonb(urls("A", 1, 2)))

    harness.work()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
@LOST
def test_a_price_that_was_changing_and_is_the_old_one_again_is_there(harness: Harness, lost: str) -> None:
    product = synced(harness, 1, 2, price="1.00")
    harness.edit(product, price="2.00")
    harness.reconcile()
    next_call_is(harness, lost)
    harness.edit(product, price="1.00")

    harness.work()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
@LOST
def test_a_product_that_was_leaving_and_is_back_is_there(harness: Harness, lost: str) -> None:
    product = synced(harness, 1, 2)
    harness.edit(product, image_status="pending")
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()
    next_call_is(harness, lost)
    harness.edit(product, image_status="uploaded")

    harness.work()
    harness.sync()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
@LOST
def test_a_photo_whose_sku_changed_before_its_answer_came_is_there_once(harness: Harness, lost: str) -> None:
    product = harness.add("A", urls("A", 1))
    harness.begin("sync")
    next_call_is(harness, lost)
    harness.edit(product, external_id="B")

    harness.work()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


@pytest.mark.parametrize("profile", ["recognition"])
@LOST
@pytest.mark.parametrize("first", [0, 1])
def test_of_two_rows_that_share_a_photo_in_doubt_one_is_right(
    harness: Harness, lost: str, first: int
) -> None:
    """There is one record of both; which row's price it says is open, but it is a present one."""
    rows = [harness.add("A", urls("A", 1), price="1.00"), harness.add("A", urls("A", 1), price="2.00")]
    harness.sync()
    harness.edit(rows[first], price="3.00")
    harness.edit(rows[1 - first], price="4.00")
    harness.reconcile()
    next_call_is(harness, lost)

    harness.work()
    two_passes(harness)

    (said,) = harness.ximilar.photos().values()
    assert said["price"] in ("3.00", "4.00")


@pytest.mark.parametrize("profile", ["recognition"])
def test_what_was_not_removed_is_known_as_before(harness: Harness) -> None:
    product = synced(harness, 1, 2)
    known = harness.rows("SELECT url, content_hash FROM photos ORDER BY url")
    harness.edit(product, image_urls=Jsonb(urls("A", 2)))
    harness.ximilar.script = ["400"]

    harness.reconcile()
    harness.work()

    assert harness.state(product) == "error"
    assert harness.rows("SELECT url, content_hash FROM photos ORDER BY url") == known
