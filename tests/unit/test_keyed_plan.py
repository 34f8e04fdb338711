"""What a product's plan says where records have ids of ours, and what those ids are made of."""

from __future__ import annotations

import re
import uuid

import pytest

from procrastinate_app.keyed_plan import keyed_plan
from procrastinate_app.plan import UNSURE, LedgerEntry, Plan, Policy, Stray
from procrastinate_app.product import Product
from procrastinate_app.record_ids import product_of, record_id
from tests.unit.test_plan_of_changes import BEFORE, FULL, NOW, product, url


def entry(place: int, content: uuid.UUID | None, *, named: bool = True) -> LedgerEntry:
    """A photo stored at second 100."""
    return LedgerEntry(url(place), content, 100.0, "A", f"p1-{place}" if named else None)


def planned(
    row: Product,
    *entries: LedgerEntry,
    strays: tuple[Stray, ...] = (),
    sent_before: float | None = None,
    policy: Policy = FULL,
) -> Plan:
    ledger = {stored.url: stored for stored in entries}
    return keyed_plan(row, ledger, strays, sent_before=sent_before, allow_private=False, policy=policy)


def said(plan: Plan) -> tuple[list[str], list[str | None], list[str | None]]:
    """Addresses to store, ids to update, ids to remove."""
    return (
        [record.url for record in plan.records],
        [record.remote_id for record in plan.updates],
        [record.remote_id for record in plan.removals],
    )


@pytest.mark.parametrize("state", ["pending", "error", "synced"])
def test_new_changed_and_gone_photos(state: str) -> None:
    plan = planned(product(1, 2, 3, state=state), entry(2, BEFORE), entry(3, NOW), entry(4, NOW))
    assert said(plan) == ([url(1)], ["p1-2"], ["p1-4"])
    assert plan.records[0].remote_id == record_id(1, url(1))
    assert plan.keeps
    assert plan.certain


@pytest.mark.parametrize("state", ["pending", "error", "synced"])
def test_what_is_in_doubt_is_updated_whatever_the_row_says(state: str) -> None:
    assert said(planned(product(1, state=state), entry(1, UNSURE))) == ([], ["p1-1"], [])


def test_what_is_sent_anew_has_another_id() -> None:
    plan = planned(product(1, 2), entry(1, NOW), sent_before=101.0)
    assert [record.remote_id for record in plan.records] == [
        record_id(1, url(place), 101.0) for place in (1, 2)
    ]
    assert said(planned(product(1), entry(1, NOW), sent_before=99.0)) == ([], [], [])


@pytest.mark.parametrize(("state", "sent"), [("pending", [url(1)]), ("error", [url(1)]), ("synced", [])])
def test_a_record_of_others_can_only_be_stored_again(state: str, sent: list[str]) -> None:
    assert said(planned(product(1, state=state), entry(1, None, named=False))) == (sent, [], [])


@pytest.mark.parametrize(
    ("policy", "updated", "removed", "would"),
    [
        (Policy(), [], [], (1, 1)),
        (Policy(remove=True), [], ["p1-2"], (1, 0)),
        (Policy(carry=True), ["p1-1"], [], (0, 1)),
    ],
)
def test_what_the_policy_forbids_is_counted(
    policy: Policy, updated: list[str], removed: list[str], would: tuple[int, int]
) -> None:
    plan = planned(product(1), entry(1, BEFORE), entry(2, NOW), policy=policy)
    assert said(plan) == ([], updated, removed)
    assert (plan.would.carry, plan.would.remove) == would
    assert plan.keeps


@pytest.mark.parametrize("image_urls", [None, "[]", '"text"', '["ftp://x"]', "[1]"])
def test_without_a_valid_address_nothing_is_taken_out_but_strays(image_urls: str) -> None:
    stray = Stray("p1-9", stored=True)
    plan = planned(product(image_urls=image_urls), entry(1, NOW), strays=(stray,))
    assert said(plan) == ([], [], [])
    assert plan.strays == (stray,)


def test_a_row_synced_before_the_ledger_is_left_alone_unless_something_is_under_way() -> None:
    row = product(1, state="synced")
    assert said(planned(row)) == ([], [], [])
    assert said(planned(row, sent_before=1.0))[0] == [url(1)]
    assert said(planned(row, strays=(Stray("p1-9", stored=False),)))[0] == [url(1)]


def test_an_id_is_made_of_product_photo_and_sending() -> None:
    made = [
        record_id(1, url(1)),
        record_id(2, url(1)),
        record_id(1, url(2)),
        record_id(1, url(1), 5.0),
        record_id(1, url(1), 5.000001),
    ]
    assert len(set(made)) == len(made)
    assert made[0] == record_id(1, url(1))
    assert [product_of(one) for one in made] == [1, 2, 1, 1, 1]


def test_an_id_is_short_and_plain() -> None:
    longest = record_id(10**18 - 1, "x" * 2048, 1e12)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", longest)
    assert product_of(longest) == 10**18 - 1


@pytest.mark.parametrize(
    "theirs", ["", "sku-1042--p1", "p1-", "p0-" + "a" * 32, "p1-" + "A" * 32, "xp1-" + "a" * 32]
)
def test_ids_of_others_are_not_ours(theirs: str) -> None:
    assert product_of(theirs) is None
