"""Filters over stored metadata: the part of MongoDB's language that is named for Ximilar's `filter`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Condition = Callable[[Mapping[str, Any]], bool]

_MISSING = object()
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


class FilterError(ValueError):
    """The filter is none; the text names what is wrong."""


def parse(document: Any) -> Condition:
    """What a record's fields must fulfil: all of `document`. An empty one fits all. Raises FilterError."""
    if not isinstance(document, dict):
        raise FilterError("filter: Expected an object.")
    conditions = [_parse_entry(name, value) for name, value in document.items()]
    return lambda fields: all(condition(fields) for condition in conditions)


def _parse_entry(name: str, value: Any) -> Condition:
    if name in ("$and", "$or"):
        return _parse_junction(name, value)
    if name.startswith("$"):
        raise FilterError(f"filter: unknown operator {name}")
    tests = _parse_tests(value)
    return lambda fields: all(test(fields.get(name, _MISSING)) for test in tests)


def _parse_junction(name: str, value: Any) -> Condition:
    if not isinstance(value, list) or not value:
        raise FilterError(f"filter: {name} needs a list of filters")
    parts, quantifier = [parse(part) for part in value], all if name == "$and" else any
    return lambda fields: quantifier(part(fields) for part in parts)


def _parse_tests(value: Any) -> list[Callable[[Any], bool]]:
    """The tests of one field: a plain value is equality, an object with operators is all of them."""
    if not isinstance(value, dict) or not any(name.startswith("$") for name in value):
        return [lambda found: _equal(found, value)]
    return [_parse_test(name, operand) for name, operand in value.items()]


def _parse_test(name: str, operand: Any) -> Callable[[Any], bool]:
    if name in _ORDERS:
        order = _ORDERS[name]
        return lambda found: _comparable(found, operand) and order(found, operand)
    if name in ("$eq", "$ne"):
        return lambda found: _equal(found, operand) is (name == "$eq")
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise FilterError(f"filter: {name} needs a list")
        return lambda found: any(_equal(found, one) for one in operand) is (name == "$in")
    if name == "$exists":
        return lambda found: (found is not _MISSING) is bool(operand)
    raise FilterError(f"filter: unknown operator {name}")


def _equal(found: Any, wanted: Any) -> bool:
    """MongoDB's equality: a list also equals each of its members, and null a field that is missing."""
    if found is _MISSING:
        return wanted is None
    if isinstance(found, list) and not isinstance(wanted, list):
        return any(_equal(one, wanted) for one in found)
    # 1 is not true, although Python says so.
    return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def _comparable(one: Any, other: Any) -> bool:
    """Only numbers with numbers and texts with texts: a price that is a text is never below a number."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)
    numbers = (int, float)
    return type(one) in numbers and type(other) in numbers
