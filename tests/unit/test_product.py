"""What is said about a product, and which photos a row lists; both read what may be anything."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrastinate_app.product import TEXT_LIMIT_BYTES, Product, photos

URL = "https://photos.example.com/1.jpg"


def product(**columns: Any) -> Product:
    row = {
        **{"id": 1, "sku": "SKU-1", "brand": "UNDE", "name": "Coat", "category": "coats", "price": "599.00"},
        **{"image_status": "uploaded", "ximilar_status": "pending", "image_urls": json.dumps([URL])},
        **{"content_hash": UUID(int=1), "fingerprint": UUID(int=2)},
    }
    return Product(**{**row, **columns})


def test_metadata() -> None:
    assert product().metadata() == {
        **{"sku_id": "SKU-1", "brand": "UNDE", "name": "Coat", "category": "coats"},
        **{"price": "599.00", "currency": "AED"},
    }


@pytest.mark.parametrize(
    ("column", "field"),
    [("sku", "sku_id"), ("brand", "brand"), ("name", "name"), ("category", "category"), ("price", "price")],
)
def test_a_column_that_is_null_is_left_out(column: str, field: str) -> None:
    assert product().metadata().keys() - product(**{column: None}).metadata().keys() == {field}


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "9" * 5000, "1e400", "ten", ""])
def test_a_price_that_is_no_number_is_left_out(price: str) -> None:
    assert "price" not in product(price=price).metadata()


@pytest.mark.parametrize("price", ["0.00", "-0.01", "99999999.99", "0.10"])
def test_a_price_is_sent_as_postgres_prints_it(price: str) -> None:
    assert product(price=price).metadata()["price"] == price


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1024),
        ("é" * 600, "é" * 512),
        ("x" + "é" * 600, "x" + "é" * 511),
        ("\U0001f9e5" * 300, "\U0001f9e5" * 256),
        ("€" * 400, "€" * 341),
        ("a\x00b\x1fc\x7fd\te\nf", "a b c d e f"),
        ("half a pair \ud800", "half a pair ?"),
        ("", ""),
    ],
)
def test_a_text_is_cut_between_letters_and_has_no_control_characters(text: str, sent: str) -> None:
    assert product(name=text).metadata()["name"] == sent


@given(st.text())
def test_any_text_can_be_sent(text: str) -> None:
    metadata = product(sku=text, brand=text, name=text, category=text, price=text).metadata()
    for value in metadata.values():
        assert len(value.encode()) <= TEXT_LIMIT_BYTES
    json.dumps(metadata, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ("uploaded", True),
        ("collage_ready", True),
        ("pending", False),
        ("", False),
        (None, False),
        ("UPLOADED", False),
    ],
)
def test_ready(status: str | None, ready: bool) -> None:
    assert product(image_status=status).ready is ready


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "null", "[]", "{}", '{"url": "x"}', f'"{URL}"', "1", "1.5", "true", "not json", "["),
        *("9" * 5000, "-" + "9" * 5000, "1e999", "[" * 3000 + "]" * 3000, "[" * 100_000, "NaN"),
    ],
)
def test_no_photos(text: str | None) -> None:
    listed = photos(product(image_urls=text))
    assert listed.urls == []


@pytest.mark.parametrize(
    "element",
    [
        None,
        1,
        1.5,
        True,
        {},
        [],
        [URL],
        {"url": URL},
        "",
        " ",
        "x",
        "ftp://photos.example.com/1.jpg",
        "file:///etc/passwd",
    ],
)
def test_an_element_that_is_no_address_is_refused_and_the_others_stay(element: object) -> None:
    listed = photos(product(image_urls=json.dumps([URL, element])))
    assert listed.urls == [URL]
    (reason,) = listed.refused
    assert reason.startswith("photo 2: ")


@pytest.mark.parametrize("element", ["9" * 5000, "1" * 400, "1e999", "[" * 400 + "]" * 400])
def test_an_element_that_hardly_parses_is_refused_alone(element: str) -> None:
    listed = photos(product(image_urls=f'["{URL}", {element}]'))
    assert (listed.urls, listed.refused) == ([URL], ["photo 2: not a text"])


def test_an_address_listed_twice_counts_once_and_the_order_stays() -> None:
    urls = [f"https://photos.example.com/{n}.jpg" for n in (2, 1, 2, 3, 1)]
    assert photos(product(image_urls=json.dumps(urls))).urls == [urls[0], urls[1], urls[3]]


def test_an_address_with_a_fragment_is_the_one_without() -> None:
    assert photos(product(image_urls=json.dumps([URL, f"{URL}#top"]))).urls == [URL]


def test_there_is_no_cap_on_photos() -> None:
    urls = [f"https://photos.example.com/{n}.jpg" for n in range(500)]
    assert photos(product(image_urls=json.dumps(urls))).urls == urls


def test_a_list_that_is_too_long_to_be_read_is_told_as_such() -> None:
    found = photos(product(image_urls=None, oversized=True))
    assert (found.urls, found.refused) == ([], ["image_urls over 1 MiB"])


def test_local_addresses_are_for_development() -> None:
    text = json.dumps(["http://127.0.0.1:9080/1.jpg"])
    assert photos(product(image_urls=text)).urls == []
    assert photos(product(image_urls=text), allow_private=True).urls == ["http://127.0.0.1:9080/1.jpg"]


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=8).map(json.dumps))
def test_whatever_a_row_lists_is_read(text: str) -> None:
    listed = photos(product(image_urls=text))
    assert all(url.isascii() for url in listed.urls)
