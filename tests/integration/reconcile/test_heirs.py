"""A row that is deleted and comes back under a new id while a job of the old one is at work: two jobs, one set of
records."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from procrastinate_app.queries import sql
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.test_changes import synced
from tests.integration.reconcile.test_removals import two_passes

ELEVEN = range(11)  # one more than a request takes


@pytest.fixture
def profile() -> str:
    """The one whose records have ids."""
    return "fashion"


def after_first_call(harness: Harness, happens: Callable[[], None]) -> None:
    """Have something happen once, between the next call's effect and its answer."""

    def once() -> None:
        harness.ximilar.watch = lambda: None
        happens()

    harness.ximilar.watch = once


def test_a_removal_under_way_leaves_the_heir_its_photos(harness: Harness, other: Harness) -> None:
    product = synced(harness, *ELEVEN)
    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [product])
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()

    def comes_back() -> None:
        other.add("A", urls("A", *ELEVEN))
        other.sync()

    after_first_call(harness, comes_back)
    harness.work()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


def test_an_update_under_way_leaves_the_heir_its_price(harness: Harness, other: Harness) -> None:
    product = synced(harness, *ELEVEN, price="1.00")
    harness.edit(product, price="2.00")
    harness.reconcile()

    def comes_back() -> None:
        other.owner.execute("DELETE FROM raw_products WHERE id = %s", [product])
        other.add("A", urls("A", *ELEVEN), price="3.00")
        other.sync()

    after_first_call(harness, comes_back)
    harness.work()
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


def test_what_makes_a_row_look_for_what_others_left_behind(harness: Harness) -> None:
    """Photos of its SKU under another row, there or gone; most rows need not look."""

    def elsewhere(product: int) -> bool:
        return bool(harness.rows(sql("load_product"), {"product_id": product})[0][-1])

    first = synced(harness, 1, 2)
    second, stranger = harness.add("A", urls("A", 1)), harness.add("B", urls("A", 1))
    assert [elsewhere(product) for product in (first, second, stranger)] == [False, True, False]
    harness.owner.execute("DELETE FROM raw_products WHERE id = %s", [first])
    assert elsewhere(second)
