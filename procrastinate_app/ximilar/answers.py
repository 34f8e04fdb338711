"""The typed answers both profiles give. Nothing outside this package knows a field name of the vendor's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from .errors import XimilarError


@dataclass(frozen=True, slots=True)
class Record:
    """One photo to store: its address and its product (`sku_id`, brand, name, category, price, currency)."""

    url: str
    metadata: Mapping[str, str]
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one record: stored now, `already` there, or refused with a reason (`fault`)."""

    url: str
    already: bool = False
    fault: XimilarError | None = None
    code: int | None = None
    request_id: str | None = None
    remote_id: str | None = None


class Item(msgspec.Struct, frozen=True):
    """One garment found on a photo: `bbox` is [x1, y1, x2, y2] in pixels, `confidence` 0..1."""

    crop_url: str | None
    bbox: list[int | float]
    category: str | None
    confidence: float | None


class Tags(msgspec.Struct, frozen=True):
    """What a garment is like; anything Ximilar does not say is None."""

    type: str | None = None
    color: str | None = None
    color_hex: str | None = None
    material: str | None = None
    pattern: str | None = None


class Candidate(msgspec.Struct, frozen=True):
    """One product that looks alike: `score` 0..1, higher is closer; `metadata` as it was stored."""

    sku_id: str
    score: float
    image_urls: list[str] = []
    metadata: Mapping[str, Any] = {}


def one_per_sku(found: Iterable[Candidate]) -> list[Candidate]:
    """Return the best candidate of each product with the photos of all its records, best score first."""
    best: dict[str, Candidate] = {}
    urls: dict[str, dict[str, None]] = {}
    for candidate in sorted(found, key=lambda c: -c.score):
        best.setdefault(candidate.sku_id, candidate)
        urls.setdefault(candidate.sku_id, {}).update(dict.fromkeys(candidate.image_urls))
    return [Candidate(c.sku_id, c.score, list(urls[sku]), c.metadata) for sku, c in best.items()]
