"""Candidates in order, and prices that become numbers."""

from __future__ import annotations

import pytest

from procrastinate_app.ximilar.answers import Candidate
from web.gateway import rendering


def found(sku: str, score: float, **metadata: object) -> Candidate:
    return Candidate(sku, score, [], metadata)


JACKET, SHIRT, BEST = (
    found("jacket", 0.4, category="jacket"),
    found("shirt", 0.5, category="Shirt"),
    found("best", 0.9),
)


@pytest.mark.parametrize(
    ("category", "strict", "order"),
    [
        (None, False, ["best", "shirt", "jacket"]),
        ("", False, ["best", "shirt", "jacket"]),
        ("JACKET", False, ["jacket", "best", "shirt"]),
        ("Jacket", True, ["jacket"]),
        ("Hat", False, ["best", "shirt", "jacket"]),
        ("Hat", True, []),
        (None, True, ["best", "shirt", "jacket"]),
    ],
)
def test_order(category: str | None, strict: bool, order: list[str]) -> None:
    shown = rendering.candidates([JACKET, SHIRT, BEST], category, strict)
    assert [one["sku_id"] for one in shown] == order


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("599.00", 599.0),
        (" 599 ", 599.0),
        ("-1.5e2", -150.0),
        (".5", 0.5),
        (599, 599),
        (599.5, 599.5),
        (None, None),
        ("", ""),
        ("AED 599", "AED 599"),
        ("1,299.00", "1,299.00"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("٥٩٩", "٥٩٩"),
        (["599"], ["599"]),
    ],
)
def test_price_is_a_number_if_it_parses(price: object, shown: object) -> None:
    (one,) = rendering.candidates([found("a", 0.5, price=price, store="Mall 1")], None, False)
    assert one["metadata"] == {"price": shown, "store": "Mall 1"}
    assert type(one["metadata"]["price"]) is type(shown)


def test_what_is_stored_is_not_changed() -> None:
    stored = {"price": "599.00"}
    rendering.candidates([Candidate("a", 0.5, [], stored)], None, False)
    assert stored == {"price": "599.00"}
