"""The collection itself, compared with the ledger, in profile `fashion`: what is found, and that it is put right."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from procrastinate_app import listing
from procrastinate_app.cli.compare import verify
from procrastinate_app.cli.output import Output
from procrastinate_app.listing import Listing
from procrastinate_app.record_ids import record_id
from procrastinate_app.ximilar import fashion_collection
from procrastinate_app.ximilar.errors import ServerFault
from tests.integration.reconcile.harness import Harness, urls
from tests.integration.reconcile.test_keyed_changes import ids, in_step


@pytest.fixture
def profile() -> str:
    """The one that can list."""
    return "fashion"


@pytest.fixture(autouse=True)
def in_process(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands speak to the collection of this test, four records a page."""
    monkeypatch.setattr(listing, "AsyncioTransport", lambda *_, **__: harness.ximilar)
    monkeypatch.setattr(fashion_collection, "PAGE_RECORDS", 4)


def compare(harness: Harness, *, correct: bool = False) -> dict[str, Any]:
    """What is not as it should be."""
    found = harness.run(listing.compare(harness.database, harness.settings, correct=correct))
    assert isinstance(found, Listing)
    assert harness.rows("SELECT FROM listed") == []
    return {name: value for name, value in found.facts().items() if value}


def three_products(harness: Harness) -> list[int]:
    products = [harness.add(sku, urls(sku, 1, 2, 3)) for sku in ("A", "B", "C")]
    harness.sync()
    return products


def spoil(harness: Harness) -> None:
    """One record is lost, one altered, two nobody knows of, one is somebody else's."""
    collection, known = harness.ximilar.collection, ids(harness)
    collection.remove(known[urls("A", 1)[0]])
    collection.update(known[urls("B", 2)[0]], {"price": "1.00"}, replace=False)
    for product, url in ((3, urls("C", 9)[0]), (77, urls("Z", 1)[0])):
        harness.ximilar.put(record_id(product, url), url, {"sku_id": "C"})
    harness.ximilar.put("theirs", "https://photos.example.com/theirs.jpg", {"sku_id": "T"})


def test_a_true_collection_has_no_drift(harness: Harness) -> None:
    three_products(harness)
    assert compare(harness) == {"records": 9}


def test_what_is_not_as_it_should_be_is_found_and_left(harness: Harness) -> None:
    three_products(harness)
    spoil(harness)
    found = {"records": 11, "foreign": 1, "orphaned": 2, "altered": 1, "lost": 1}
    assert compare(harness) == found == compare(harness)


def test_it_is_put_right_by_the_next_comparison(harness: Harness) -> None:
    three_products(harness)
    spoil(harness)

    compare(harness, correct=True)
    harness.reconcile()
    harness.work()
    assert ids(harness)[urls("Z", 1)[0]]  # of a product that is gone: that has to be missing twice
    harness.time_passes()
    harness.reconcile()
    harness.work()

    assert compare(harness) == {"records": 10, "foreign": 1}
    harness.ximilar.collection.remove("theirs")
    assert harness.ximilar.photos() == harness.wanted()
    assert in_step(harness)


def test_values_that_are_null_are_none(harness: Harness) -> None:
    product = harness.add("A", urls("A", 1), brand=None)
    harness.sync()
    harness.edit(product, name=None)
    harness.reconcile()
    harness.work()
    assert compare(harness) == {"records": 1}


def test_what_is_on_its_way_is_no_orphan(harness: Harness) -> None:
    harness.add("A", urls("A", 1))
    harness.begin("sync")
    harness.ximilar.script = ["crash_after"]
    job = harness.next_job()
    assert job is not None
    harness.do(job)
    assert compare(harness) == {"records": 1}


def test_a_record_that_the_pages_missed_is_not_lost(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that leave while the listing is made move others to a page that was seen already."""
    three_products(harness)
    complete = harness.ximilar.listing

    def without_the_fifth(path: str) -> dict[str, Any]:
        answer = complete(path)
        if "page=2" in path:
            answer["answer_records"] = answer["answer_records"][1:]
        return answer

    monkeypatch.setattr(harness.ximilar, "listing", without_the_fifth)
    assert compare(harness) == {"records": 8}


@pytest.fixture
def two_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that were not listed are taken two at a time, and two are enough to look for."""
    monkeypatch.setattr(listing, "CHUNK", 2)
    monkeypatch.setattr(listing, "LOOKED_FOR", 2)


@pytest.mark.usefixtures("two_looked_for")
def test_a_listing_that_ends_too_early_costs_no_record(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages without `next`: what is beyond the first is looked for, all of it."""
    three_products(harness)
    complete = harness.ximilar.listing

    def without_next(path: str) -> dict[str, Any]:
        return {"answer_records": complete(path)["answer_records"]}

    monkeypatch.setattr(harness.ximilar, "listing", without_next)
    assert compare(harness, correct=True) == {"records": 4}
    assert in_step(harness)


@pytest.mark.usefixtures("two_looked_for")
def test_of_a_collection_that_was_emptied_only_some_are_looked_for(harness: Harness) -> None:
    three_products(harness)
    harness.ximilar.collection.clear()
    harness.ximilar.calls.clear()
    assert compare(harness) == {"lost": 9}
    assert [name for name, _, _ in harness.ximilar.calls] == ["look"] * 2


def test_a_server_that_ignores_page_numbers_is_not_asked_for_ever(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_products(harness)
    complete = harness.ximilar.listing
    asked: list[str] = []

    def always_the_first(path: str) -> dict[str, Any]:
        asked.append(path)
        assert len(asked) < 10, "pages without end"
        return complete(path.partition("&page=")[0] + "&page=1")

    monkeypatch.setattr(harness.ximilar, "listing", always_the_first)
    assert compare(harness, correct=True) == {"records": 4, "stopped": listing.SAME_PAGE}
    assert len(asked) == 2
    assert in_step(harness)


def test_an_outage_ends_it_without_a_verdict(harness: Harness) -> None:
    three_products(harness)
    harness.ximilar.collection.clear()
    harness.ximilar.script = ["503"]
    assert compare(harness, correct=True) == {"stopped": ServerFault.cause}
    assert harness.value("SELECT count(*) FROM photos") == 9


def test_a_refusal_ends_it_with_ximilars_words(harness: Harness) -> None:
    three_products(harness)
    harness.ximilar.script = ["400"]
    assert compare(harness, correct=True) == {"stopped": "refused: 400 malformed"}
    assert harness.value("SELECT count(*) FROM photos") == 9


def test_a_refusal_of_the_probe_ends_the_pause(harness: Harness) -> None:
    """Ximilar answers again: what it says of this call is another matter."""
    harness.owner.execute(
        "UPDATE throttle SET pause_cause = 'server_fault', paused_until = clock_timestamp()"
    )
    harness.ximilar.script = ["400"]
    compare(harness)
    assert harness.value("SELECT pause_cause FROM throttle") is None


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_says_that_the_listing_was_refused(
    harness: Harness, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    harness.ximilar.script = ["400"]
    arguments = argparse.Namespace(fix=False, sample=0)
    assert harness.run(verify(arguments, harness.settings, Output(as_json=as_json))) == 1
    assert "refused: 400 malformed" in capsys.readouterr().out
