"""What is sent for a product, and what the answers mean for its row."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from procrastinate_app.plan import REASON_LIMIT, LedgerEntry, Plan, Verdict, judge, plan
from procrastinate_app.product import Product
from procrastinate_app.ximilar.answers import Record, Stored
from procrastinate_app.ximilar.errors import ItemFault

NOW, OTHER = UUID(int=1), UUID(int=2)
A, B, C = (f"https://photos.example.com/{name}.jpg" for name in "abc")
BAD = "http://localhost/x.jpg"


def product(*urls: object, status: str = "pending") -> Product:
    return Product(
        *(1, "SKU-1", "UNDE", "Coat", "coats", "1.00"),
        image_status="uploaded",
        ximilar_status=status,
        image_urls=json.dumps(urls),
        content_hash=NOW,
        fingerprint=UUID(int=9),
    )


def ledger(**entries: UUID | None) -> dict[str, LedgerEntry]:
    """a=hash: photo a is stored with that content, at second 100."""
    urls = {"a": A, "b": B, "c": C}
    return {urls[name]: LedgerEntry(urls[name], content, 100.0) for name, content in entries.items()}


def sent(planned: Plan) -> list[str]:
    return [record.url for record in planned.records]


@pytest.mark.parametrize("status", ["pending", "error"])
def test_what_is_not_in_the_ledger_is_sent(status: str) -> None:
    assert sent(plan(product(A, B, status=status), {})) == [A, B]


@pytest.mark.parametrize("status", ["pending", "error"])
def test_what_is_stored_with_equal_content_is_not(status: str) -> None:
    planned = plan(product(A, B, C, status=status), ledger(a=NOW, c=NOW))
    assert sent(planned) == [B]
    assert planned.listed == 3


@pytest.mark.parametrize("content", [OTHER, None])
def test_what_is_stored_with_other_or_unknown_content_is_sent(content: UUID | None) -> None:
    assert sent(plan(product(A), ledger(a=content))) == [A]


def test_each_record_carries_the_metadata() -> None:
    (record,) = plan(product(A), {}).records
    assert record == Record(A, product(A).metadata())


def test_a_synced_row_without_a_ledger_sends_nothing() -> None:
    assert sent(plan(product(A, B, status="synced"), {})) == []


def test_a_synced_row_sends_photos_that_are_new_to_the_ledger() -> None:
    assert sent(plan(product(A, B, status="synced"), ledger(a=None))) == [B]


def test_a_synced_row_does_not_send_changed_content() -> None:
    assert sent(plan(product(A, status="synced"), ledger(a=OTHER))) == []


@pytest.mark.parametrize("status", ["pending", "synced", "error"])
def test_resend_sends_what_was_stored_before_it(status: str) -> None:
    assert sent(plan(product(A, B, status=status), ledger(a=NOW), sent_before=101.0)) == [A, B]


@pytest.mark.parametrize("status", ["pending", "synced", "error"])
def test_resend_does_not_send_what_it_has_sent(status: str) -> None:
    assert sent(plan(product(A, status=status), ledger(a=NOW), sent_before=99.0)) == []


def test_resend_of_an_edited_row_sends_the_new_content() -> None:
    assert sent(plan(product(A), ledger(a=OTHER), sent_before=99.0)) == [A]


def test_resend_of_a_synced_row_without_a_ledger_sends_all() -> None:
    assert sent(plan(product(A, B, status="synced"), {}, sent_before=99.0)) == [A, B]


def test_refused_addresses_are_not_sent() -> None:
    planned = plan(product(A, BAD, 7), {})
    assert (sent(planned), planned.listed) == ([A], 3)
    assert planned.refused == ["photo 2: host is not a public name", "photo 3: not a text"]


def test_the_last_of_a_photo_listed_twice_is_not_counted() -> None:
    assert plan(product(A, A), {}).listed == 1


def stored(url: str) -> Stored:
    return Stored(url, code=200)


def refused(url: str, text: str = "bad", code: int = 400) -> Stored:
    return Stored(url, fault=ItemFault(text, code=code, request_id="r-1"))


def test_all_stored_is_synced() -> None:
    assert judge(plan(product(A, B), {}), [stored(A), stored(B)]) == Verdict("synced")


def test_nothing_to_send_is_synced() -> None:
    assert judge(plan(product(A), ledger(a=NOW)), []) == Verdict("synced")


def test_one_refused_is_an_error_with_its_reason() -> None:
    verdict = judge(plan(product(A, B), {}), [stored(A), refused(B, "not an image", 415)])
    assert verdict == Verdict("error", "refused", f"{B}: 415 not an image", 415, "r-1")


def test_one_refused_among_stored_ones_is_an_error() -> None:
    assert judge(plan(product(A, B), ledger(a=NOW)), [refused(B)]).outcome == "error"


def test_every_refusal_is_named() -> None:
    message = judge(plan(product(A, B, BAD), {}), [refused(A), refused(B)]).message
    assert message == f"{A}: 400 bad; {B}: 400 bad; photo 3: host is not a public name"


def test_a_refused_address_beside_stored_photos_is_an_error() -> None:
    verdict = judge(plan(product(A, BAD), {}), [stored(A)])
    assert verdict == Verdict("error", "address_refused", "photo 2: host is not a public name")


@pytest.mark.parametrize("status", ["pending", "synced", "error"])
def test_no_photos(status: str) -> None:
    assert judge(plan(product(status=status), {}), []) == Verdict("error", "no_photos", "no photos")


def test_all_addresses_refused() -> None:
    verdict = judge(plan(product(BAD, None), {}), [])
    assert (verdict.cause, verdict.message) == (
        "no_photos",
        "no photos: photo 1: host is not a public name; photo 2: not a text",
    )


def test_a_reason_has_its_length() -> None:
    urls = [f"https://photos.example.com/{n}.jpg" for n in range(100)]
    message = judge(plan(product(*urls), {}), [refused(url) for url in urls]).message
    assert message is not None
    assert len(message) == REASON_LIMIT
    assert message.endswith("...")
