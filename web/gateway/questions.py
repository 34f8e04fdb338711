"""What clients may ask, and how a body becomes a question. Pure functions over bytes.

JSON is read strictly: duplicate keys, NaN and the like are refused, since another parser on the way may read
something else into them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from procrastinate_app.ximilar import urls

from .problems import Problem

MAX_BODY_BYTES = 64 * 1024
TOP_K = 10
MAX_TOP_K = 100
MAX_CATEGORY = 200


@dataclass(frozen=True, slots=True)
class Photo:
    """Of /detect and /tag."""

    url: str


@dataclass(frozen=True, slots=True)
class Search:
    """Of /search. `category` puts candidates of that category first; `strict_category` keeps only them."""

    crop_url: str
    category: str | None
    top_k: int
    strict_category: bool


@dataclass(frozen=True, slots=True)
class Recognize:
    """Of /recognize: `top_k` candidates for every garment on the photo."""

    url: str
    top_k: int
    strict_category: bool


def photo(body: bytes, *, allow_private: bool, own: str | None = None) -> Photo:
    """Read the body of /detect and /tag. Raises Problem.

    An address that begins with `own` is that of a crop of ours, and no rule for photos concerns it.
    """
    return Photo(_address(document(body), "url", allow_private, own))


def search(body: bytes, *, allow_private: bool, own: str | None = None) -> Search:
    """Read the body of /search; `own` is as for `photo`. Raises Problem."""
    found = document(body)
    return Search(
        crop_url=_address(found, "crop_url", allow_private, own),
        category=_category(found),
        top_k=_top_k(found),
        strict_category=_switch(found, "strict_category"),
    )


def recognize(body: bytes, *, allow_private: bool) -> Recognize:
    """Read the body of /recognize. Raises Problem."""
    found = document(body)
    return Recognize(
        url=_address(found, "url", allow_private),
        top_k=_top_k(found),
        strict_category=_switch(found, "strict_category"),
    )


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object a body holds. Raises Problem: 400 if not strict JSON, 422 if not an object."""
    try:
        found = msgspec.json.decode(body)
        if isinstance(found, dict) and _may_repeat_keys(body, found):
            json.loads(body, object_pairs_hook=_unique)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Problem(400, "malformed_json", "The body is not strict JSON.") from None
    if not isinstance(found, dict):
        raise Problem(422, "invalid", "The body must be a JSON object.")
    return found


def _may_repeat_keys(body: bytes, found: dict[str, Any]) -> bool:
    """Tell whether a key may occur twice: counting quotes clears a flat object a hundred times faster."""
    if b"\\" in body or any(isinstance(value, dict | list) for value in found.values()):
        return True
    strings = len(found) + sum(isinstance(value, str) for value in found.values())
    return body.count(b'"') != 2 * strings


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _address(found: dict[str, Any], field: str, allow_private: bool, own: str | None = None) -> str:
    value = found.get(field)
    if value is None:
        raise _wrong(field, "is required")
    if not isinstance(value, str):
        raise _wrong(field, "must be a string")
    if own is not None and value.startswith(own):
        return value
    try:
        return urls.photo_url(value, allow_private=allow_private)
    except urls.UrlRefused as refused:
        raise _wrong(field, f"is not the address of a public photo: {refused}") from None


def _category(found: dict[str, Any]) -> str | None:
    value = found.get("category")
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_CATEGORY:
        raise _wrong("category", f"must be a string of at most {MAX_CATEGORY} characters")
    return value


def _top_k(found: dict[str, Any]) -> int:
    value = found.get("top_k")
    if value is None:
        return TOP_K
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_TOP_K:
        raise _wrong("top_k", f"must be a whole number, 1 to {MAX_TOP_K}")
    return value


def _switch(found: dict[str, Any], field: str) -> bool:
    value = found.get(field)
    if value is not None and not isinstance(value, bool):
        raise _wrong(field, "must be true or false")
    return bool(value)


def _wrong(field: str, reason: str) -> Problem:
    return Problem(422, "invalid", f"{field} {reason}.", field=field)
