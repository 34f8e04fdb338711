"""How typed answers become the fields that clients know. Pure functions; what they return is strict JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from procrastinate_app.ximilar.answers import Candidate, Item, Tags

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def items(found: Sequence[Item]) -> dict[str, Any]:
    """The answer of /detect."""
    return {"items": [item(one) for one in found]}


def item(found: Item) -> dict[str, Any]:
    """One garment."""
    return {
        "crop_url": found.crop_url,
        "bbox": found.bbox,
        "category": found.category,
        "confidence": found.confidence,
    }


def tags(found: Tags) -> dict[str, Any]:
    """The answer of /tag."""
    return {
        "type": found.type,
        "color": found.color,
        "color_hex": found.color_hex,
        "material": found.material,
        "pattern": found.pattern,
    }


def candidates(found: Sequence[Candidate], category: str | None, strict: bool) -> list[dict[str, Any]]:
    """The candidates of /search: those of `category` first, or only those if `strict`, each best first."""
    ordered = sorted(found, key=lambda one: -one.score)
    if category:
        wanted = category.casefold()
        own = [one for one in ordered if _category(one) == wanted]
        others = [] if strict else [one for one in ordered if _category(one) != wanted]
        ordered = own + others
    return [_candidate(one) for one in ordered]


def _category(found: Candidate) -> str | None:
    value = found.metadata.get("category")
    return value.casefold() if isinstance(value, str) else None


def _candidate(found: Candidate) -> dict[str, Any]:
    return {
        "sku_id": found.sku_id,
        "score": found.score,
        "image_urls": found.image_urls,
        "metadata": _metadata(found.metadata),
    }


def _metadata(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    price = stored.get("price")
    if not isinstance(price, str) or not _NUMBER.fullmatch(price):
        return stored
    number = float(price)
    return {**stored, "price": number} if math.isfinite(number) else stored
