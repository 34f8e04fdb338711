"""The typed answers both profiles give. Nothing outside this package knows a field name of the vendor's."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .errors import XimilarError


@dataclass(frozen=True, slots=True)
class Record:
    """One photo to store: its address and its product (`sku_id`, brand, name, category, price, currency).

    `remote_id` is its id in the collection, where the profile has `keyed` records.
    """

    url: str
    metadata: Mapping[str, str]
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one record: done now, or refused with a reason (`fault`).

    `already`: there was nothing left to do, it was stored (or removed) before. `missing`: it was to be changed,
    and the collection does not have it.
    """

    url: str
    already: bool = False
    missing: bool = False
    fault: XimilarError | None = None
    code: int | None = None
    request_id: str | None = None
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture to look at: its address, or the bytes of a JPEG."""

    url: str = ""
    jpeg: bytes = field(default=b"", repr=False)

    def as_record(self) -> dict[str, str]:
        """Return it in the vendor's words, which are the same in both profiles."""
        return {"_base64": base64.b64encode(self.jpeg).decode()} if self.jpeg else {"_url": self.url}


@dataclass(frozen=True, slots=True)
class Held:
    """One record as the collection has it: `metadata` with the names of a Record's, all values as text."""

    remote_id: str
    url: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a collection's listing; `more` says that another page follows."""

    records: list[Held]
    more: bool


class Item(msgspec.Struct, frozen=True):
    """One garment found on a photo: `bbox` is [x1, y1, x2, y2] in pixels, `confidence` 0..1.

    `size` is the width and height that Ximilar took the photo to have, where it said so: the box is of that
    picture.
    """

    crop_url: str | None
    bbox: list[int | float]
    category: str | None
    confidence: float | None
    size: tuple[int, int] | None = None

    def with_crop(self, url: str | None) -> Item:
        """Return the same item with this address of its crop."""
        return Item(url, self.bbox, self.category, self.confidence, self.size)


class Tags(msgspec.Struct, frozen=True):
    """What a garment is like; anything Ximilar does not say is None."""

    type: str | None = None
    color: str | None = None
    color_hex: str | None = None
    material: str | None = None
    pattern: str | None = None

    def filled_in(self, more: Tags) -> Tags:
        """Return these tags, with those of `more` where they are None."""
        return Tags(
            self.type or more.type,
            self.color or more.color,
            self.color_hex or more.color_hex,
            self.material or more.material,
            self.pattern or more.pattern,
        )


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
