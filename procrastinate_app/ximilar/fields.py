"""Reads single fields of an answer: each function gives a value of its type, or nothing, whatever it is handed.

What the vendor's fields hold is mostly not written down, so a field is never worth failing an answer for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import envelope
from .calls import Response
from .errors import ItemFault, Nonsense, XimilarError


def records(response: Response) -> list[Mapping[str, Any]]:
    """Return the records of a successful answer. Raises `errors`, Nonsense where there is none."""
    answer = envelope.success(response)
    found = objects(answer.get("records"))
    if not found:
        raise Nonsense("an answer without records", request_id=envelope.request_id(answer))
    return found


def fault(response: Response, record: Mapping[str, Any]) -> XimilarError | None:
    """Return what a record's own `_status` stands for where it is no success."""
    status = envelope.mapping(record.get("_status"))
    code = envelope.whole(status.get("code"))
    if code is None or 200 <= code <= 299:
        return None
    return envelope.failure(response, {"status": status})


def refused(response: Response, record: Mapping[str, Any]) -> ItemFault | None:
    """Return why a record's photo is refused, if it is. Raises any other fault the record tells of."""
    found = fault(response, record)
    if found is None or isinstance(found, ItemFault):
        return found
    raise found


def best(feature: object) -> Mapping[str, Any]:
    """The tag of the highest `prob`, or an empty one."""
    found = objects(feature)
    return max(found, key=lambda tag: unit(tag.get("prob")) or 0.0) if found else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The strings of a list."""
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def name(value: object) -> str | None:
    """An identifier, which a JSON writer may have turned into a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def number(value: object) -> int | float | None:
    """A number that is not NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return value


def unit(value: object) -> float | None:
    """A number clamped to 0..1."""
    found = number(value)
    return None if found is None else float(min(max(found, 0), 1))


def box(value: object) -> list[int | float]:
    """[x1, y1, x2, y2], or an empty list where the box is not four numbers."""
    if not isinstance(value, list) or len(value) != 4:
        return []
    sides = [side for side in map(number, value) if side is not None]
    return sides if len(sides) == 4 and all(abs(side) < 1e9 for side in sides) else []


def sizes(*values: object) -> Sequence[int] | None:
    """Whole numbers above 0, or None if one of the values is none."""
    found = [size for size in map(envelope.whole, values) if size is not None and size > 0]
    return found if len(found) == len(values) else None
