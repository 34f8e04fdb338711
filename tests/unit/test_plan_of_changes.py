"""What a product's plan says for each state of its photos, and when removals wait."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

import pytest

from procrastinate_app.environment import SettingsError
from procrastinate_app.plan import LedgerEntry, Plan, Policy, plan
from procrastinate_app.product import Product
from procrastinate_app.reconcile import Guard
from procrastinate_app.services import make_policy
from procrastinate_app.settings import Settings

NOW, BEFORE = uuid.UUID(int=1), uuid.UUID(int=2)
FULL = Policy(remove=True, carry=True)


def url(place: int) -> str:
    return f"https://photos.example.com/{place}.jpg"


def product(*places: int, state: str = "pending", **columns: Any) -> Product:
    listed = json.dumps([url(place) for place in places])
    row = Product(1, "NEW", None, None, None, None, "uploaded", state, listed, NOW, NOW)
    return dataclasses.replace(row, **columns)


def ledger(**content: uuid.UUID | None) -> dict[str, LedgerEntry]:
    """Photos by place: ledger(_1=NOW)."""
    places = {url(int(name[1:])): value for name, value in content.items()}
    return {address: LedgerEntry(address, value, 0.0, "OLD") for address, value in places.items()}


def said(planned: Plan) -> tuple[list[str], list[str], list[str]]:
    return (
        [record.url for record in planned.records],
        [replacement.incoming.url for replacement in planned.replacements],
        [record.url for record in planned.removals],
    )


@pytest.mark.parametrize("state", ["pending", "error", "synced"])
def test_new_changed_and_gone_photos(state: str) -> None:
    planned = plan(product(1, 2, 3, state=state), ledger(_2=BEFORE, _3=NOW, _4=NOW), policy=FULL)
    assert said(planned) == ([url(1)], [url(2)], [url(4)])
    assert planned.keeps
    assert planned.certain


@pytest.mark.parametrize(("state", "replaced"), [("pending", [url(1)]), ("error", [url(1)]), ("synced", [])])
def test_unknown_content_is_equal_for_a_synced_row_only(state: str, replaced: list[str]) -> None:
    assert said(plan(product(1, state=state), ledger(_1=None), policy=FULL))[1] == replaced


def test_what_goes_out_goes_under_the_sku_it_was_stored_under() -> None:
    planned = plan(product(1), ledger(_1=BEFORE, _2=NOW), policy=FULL)
    assert planned.replacements[0].outgoing.metadata == {"sku_id": "OLD"}
    assert planned.replacements[0].incoming.metadata["sku_id"] == "NEW"
    assert planned.removals[0].metadata == {"sku_id": "OLD"}


@pytest.mark.parametrize(
    ("policy", "state", "sent", "removed", "would"),
    [
        (Policy(), "synced", [], [], (1, 1)),
        (Policy(), "pending", [url(1)], [], (0, 1)),
        (Policy(remove=True), "synced", [], [url(2)], (1, 0)),
        (Policy(remove=True), "error", [url(1)], [url(2)], (0, 0)),
    ],
)
def test_what_the_policy_forbids_is_counted(
    policy: Policy, state: str, sent: list[str], removed: list[str], would: tuple[int, int]
) -> None:
    planned = plan(product(1, state=state), ledger(_1=BEFORE, _2=NOW), policy=policy)
    assert said(planned) == (sent, [], removed)
    assert (planned.would.carry, planned.would.remove) == would


@pytest.mark.parametrize("image_urls", [None, "[]", '"text"', '["ftp://x"]', "[1]"])
def test_without_a_valid_address_nothing_is_taken_out(image_urls: str) -> None:
    planned = plan(product(image_urls=image_urls), ledger(_1=NOW), policy=FULL)
    assert said(planned) == ([], [], [])


def test_a_row_synced_before_the_ledger_is_left_alone() -> None:
    assert said(plan(product(1, state="synced"), {}, policy=FULL)) == ([], [], [])
    assert said(plan(product(1, state="synced"), {}, policy=FULL, sent_before=1.0)) == ([url(1)], [], [])


@pytest.mark.parametrize(
    ("removals", "stored", "held"),
    [
        (0, 0, False),
        (20, 20, False),
        (21, 420, True),
        (21, 421, False),
        (500, 10**6, False),
        (501, 10**7, True),
    ],
)
def test_the_guard(removals: int, stored: int, held: bool) -> None:
    assert Guard().holds(removals, stored) is held


@pytest.mark.parametrize("percent", [0.0, 0.1, 5.0, 33.3, 100.0])
@pytest.mark.parametrize("removals", [1, 21, 499, 500, 501])
def test_products_beyond_enough_change_nothing_for_the_guard(removals: int, percent: float) -> None:
    guard = Guard(percent=percent)
    enough = guard.enough(removals)
    assert guard.holds(removals, enough) is guard.holds(removals, 100 * enough)


@pytest.mark.parametrize(
    ("variables", "policy"),
    [
        ({}, Policy()),
        ({"XIMILAR_REMOVE": "on"}, Policy(remove=True)),
        ({"XIMILAR_CARRY_METADATA": "on"}, Policy()),
        ({"XIMILAR_REMOVE": "on", "XIMILAR_CARRY_METADATA": "on"}, FULL),
    ],
)
def test_in_recognition_carrying_over_needs_the_remove_call(
    variables: dict[str, str], policy: Policy
) -> None:
    assert make_policy(Settings.from_env(variables, frozenset())) == policy


@pytest.mark.parametrize("cron", ["daily", "61 * * * *", "* * * * * *"])
def test_a_wrong_cron_is_refused(cron: str) -> None:
    with pytest.raises(SettingsError, match="RECONCILE_CRON must be a cron expression"):
        Settings.from_env({"RECONCILE_CRON": cron}, frozenset())
