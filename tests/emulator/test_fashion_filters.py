"""Filters over metadata: the operators named for Ximilar, with MongoDB's meaning."""

from __future__ import annotations

from typing import Any

import pytest

from ops.emulator.fashion.filters import FilterError, parse

RECORDS: list[dict[str, Any]] = [
    {"_id": 0, "category": "dress", "price": 10, "tags": ["summer", "new"]},
    {"_id": 1, "category": "bag", "price": 99.5, "sale": True},
    {"_id": 2, "price": "20", "tags": [], "sale": 1},
    {"_id": 3, "category": None, "size": {"eu": 38}},
]


@pytest.mark.parametrize(
    ("filter_", "fitting"),
    [
        ({}, [0, 1, 2, 3]),
        ({"category": "dress"}, [0]),
        ({"category": "dress", "price": 11}, []),
        ({"category": {"$eq": "bag"}}, [1]),
        ({"category": None}, [2, 3]),
        ({"category": {"$ne": "dress"}}, [1, 2, 3]),
        ({"category": {"$in": ["dress", "bag"]}}, [0, 1]),
        ({"category": {"$nin": ["dress", None]}}, [1]),
        ({"category": {"$exists": True}}, [0, 1, 3]),
        ({"category": {"$exists": False}}, [2]),
        ({"price": {"$gt": 10}}, [1]),
        ({"price": {"$gte": 10, "$lt": 99.5}}, [0]),
        ({"price": {"$lte": 99.5}}, [0, 1]),
        ({"price": {"$gt": "1"}}, [2]),
        ({"tags": "new"}, [0]),
        ({"tags": {"$in": ["old", "summer"]}}, [0]),
        ({"tags": []}, [2]),
        ({"sale": True}, [1]),
        ({"sale": 1}, [2]),
        ({"size": {"eu": 38}}, [3]),
        ({"_id": {"$lt": 2}}, [0, 1]),
        ({"$or": [{"category": "bag"}, {"price": 10}]}, [0, 1]),
        ({"$and": [{"price": {"$gt": 5}}, {"$or": [{"sale": True}, {"tags": "new"}]}]}, [0, 1]),
    ],
)
def test_what_fits(filter_: dict[str, Any], fitting: list[int]) -> None:
    fits = parse(filter_)
    assert [record["_id"] for record in RECORDS if fits(record)] == fitting


@pytest.mark.parametrize(
    "filter_",
    [
        *([], "category", {"$where": "1"}, {"a": {"$regex": "b"}}, {"a": {"$in": "b"}}),
        *({"$or": []}, {"$and": {"a": 1}}, {"$or": [1]}, {"a": {"$gt": 1, "b": 2}}),
    ],
)
def test_what_is_no_filter(filter_: Any) -> None:
    with pytest.raises(FilterError, match="filter"):
        parse(filter_)
