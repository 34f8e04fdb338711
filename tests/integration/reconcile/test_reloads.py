"""Rows that are loaded anew under other ids and still called `synced`: what the ledger knows of their SKU is theirs."""

from __future__ import annotations

import argparse
import json
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from procrastinate_app import listing
from procrastinate_app.cli.compare import verify
from procrastinate_app.cli.output import Output
from tests.fix_system import BOTH_PROFILES
from tests.integration.reconcile.harness import Harness, Row, urls
from tests.integration.reconcile.test_changes import repair, synced
from tests.integration.reconcile.test_removals import fill, two_passes
from tests.integration.reconcile.test_trigger import scraper  # noqa: F401  a fixture

COLUMNS = (
    "external_id, brand, name, category, price, image_urls, image_status, ximilar_status, ximilar_synced_at"
)
EDITS = pytest.mark.parametrize(
    "change",
    [
        {"price": "1.00"},
        {"image_urls": Jsonb(urls("A", 1, 2, 3))},
        {"image_urls": Jsonb(urls("A", 2))},
        {"image_urls": Jsonb(urls("A", 3, 4))},
        {"image_urls": Jsonb(urls("A", 3)), "price": "1.00"},
    ],
)


def load_anew(connection: psycopg.Connection) -> None:
    """All rows as they are, their states too, but for their ids."""
    with connection.transaction():
        connection.execute(f"CREATE TEMP TABLE dump ON COMMIT DROP AS SELECT {COLUMNS} FROM raw_products")  # noqa: S608
        connection.execute("TRUNCATE raw_products")
        connection.execute(f"INSERT INTO raw_products ({COLUMNS}) SELECT {COLUMNS} FROM dump")  # noqa: S608


def edit_all(harness: Harness, change: Row) -> None:
    for (product,) in harness.rows("SELECT id FROM raw_products"):
        harness.edit(product, **change)


def ask_verify(harness: Harness, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """Its exit code, and the facts."""
    capsys.readouterr()
    code = harness.run(
        verify(argparse.Namespace(fix=False, sample=0), harness.settings, Output(as_json=True))
    )
    return code, json.loads(capsys.readouterr().out)


@BOTH_PROFILES
@EDITS
@pytest.mark.parametrize("edited", ["in the dump", "before a comparison", "after it", "after its work"])
def test_rows_loaded_anew_and_edited_are_carried_over(harness: Harness, change: Row, edited: str) -> None:
    synced(harness, 1, 2)
    if edited == "in the dump":
        edit_all(harness, change)
    load_anew(harness.owner)
    if edited == "before a comparison":
        edit_all(harness, change)
    harness.reconcile()
    if edited == "after it":
        edit_all(harness, change)
    harness.work()
    if edited == "after its work":
        edit_all(harness, change)

    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()
    assert harness.rows("SELECT ximilar_status FROM raw_products") == [("synced",)]
    assert repair(harness)["changed"] == 0


@BOTH_PROFILES
def test_rows_loaded_anew_as_they_were_cause_no_call(harness: Harness) -> None:
    fill(harness, 5, photos=2)
    load_anew(harness.owner)

    assert two_passes(harness)["held"] == 0

    assert harness.ximilar.calls == []
    assert harness.ximilar.photos() == harness.wanted()
    assert harness.rows("SELECT count(*), min(product_id) FROM photos") == [(10, 6)]


@BOTH_PROFILES
def test_more_rows_than_may_be_removed_at_once_are_carried_over(harness: Harness) -> None:
    fill(harness, 30)
    load_anew(harness.owner)
    harness.owner.execute("UPDATE raw_products SET price = 1")

    two_passes(harness)
    two_passes(harness)

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
def test_with_the_switches_off_new_photos_are_sent_and_the_rest_is_counted(harness: Harness) -> None:
    synced(harness, 1, 2)
    harness.variables.update(XIMILAR_REMOVE="off", XIMILAR_CARRY_METADATA="off")
    load_anew(harness.owner)
    edit_all(harness, {"image_urls": Jsonb(urls("A", 2, 3)), "price": "1.00"})

    repair(harness)
    ended = repair(harness)

    assert harness.ximilar.calls == [("store", "A", urls("A", 3)[0])]
    assert (ended["queued"], ended["would_carry"], ended["would_remove"]) == (0, 1, 1)


@BOTH_PROFILES
def test_a_row_that_arrives_while_its_predecessor_is_leaving_is_sent(harness: Harness) -> None:
    synced(harness, 1, 2)
    harness.owner.execute("DELETE FROM raw_products")
    harness.reconcile()
    harness.time_passes()
    harness.reconcile()
    harness.add("A", urls("A", 3), ximilar_status="synced")

    harness.work()
    harness.sync()

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
def test_a_row_whose_sku_is_another_ones_no_longer_is_sent(harness: Harness) -> None:
    product = synced(harness, 1)
    harness.edit(product, external_id="B")
    harness.reconcile()
    harness.add("A", urls("A", 3), ximilar_status="synced")

    harness.work()
    harness.sync()

    assert harness.ximilar.photos() == harness.wanted()


@BOTH_PROFILES
def test_a_second_row_of_a_known_sku_is_sent(harness: Harness) -> None:
    synced(harness, 1)
    harness.add("A", urls("A", 2), ximilar_status="synced")

    assert repair(harness)["changed"] == 1

    assert harness.ximilar.photos() == harness.wanted()
    assert repair(harness)["changed"] == 0


@BOTH_PROFILES
@EDITS
def test_with_the_trigger_it_takes_minutes(
    harness: Harness,
    scraper: psycopg.Connection,  # noqa: F811  the fixture
    change: Row,
) -> None:
    synced(harness, 1, 2)
    harness.touched()
    load_anew(scraper)
    edit_all(harness, change)

    assert harness.touched() == 1
    harness.work()

    assert set(harness.wanted()) <= set(harness.ximilar.photos())
    assert harness.ximilar.photos() == {**harness.ximilar.photos(), **harness.wanted()}


@BOTH_PROFILES
def test_verify_says_what_nobody_knows(
    harness: Harness, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "AsyncioTransport", lambda *_, **__: harness.ximilar)
    synced(harness, 1)
    assert ask_verify(harness, capsys)[0] == 0
    load_anew(harness.owner)
    code, facts = ask_verify(harness, capsys)
    assert (code, facts["changed_products"], facts["untracked_products"]) == (1, 1, 0)
    repair(harness)
    harness.add("B", None, ximilar_status="synced")
    assert ask_verify(harness, capsys)[0] == 0

    harness.add("C", urls("C", 1), ximilar_status="synced")

    code, facts = ask_verify(harness, capsys)
    assert (code, facts["drift"], facts["untracked_products"]) == (1, 0, 1)
    harness.run(verify(argparse.Namespace(fix=False, sample=0), harness.settings, Output(as_json=False)))
    assert "1 synced product(s) are not in the ledger" in capsys.readouterr().out
