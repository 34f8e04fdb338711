"""One product as a job sees it: the row, its photos, and what is said about it. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from uuid import UUID

from .ximilar.urls import UrlRefused, photo_url

CURRENCY = "AED"
TEXT_LIMIT_BYTES = 1024
READY = frozenset({"uploaded", "collage_ready"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Product:
    """A row of raw_products. `price` and `image_urls` are text as Postgres prints them, still to be trusted.

    `content_hash` is that of the metadata, `fingerprint` that of everything a job reads. Of a row that is `oversized`
    image_urls was not read. `sku_elsewhere`: the ledger has photos of this SKU under another row, there or gone.
    """

    id: int
    sku: str | None
    brand: str | None
    name: str | None
    category: str | None
    price: str | None
    image_status: str | None
    ximilar_status: str | None
    image_urls: str | None
    content_hash: UUID
    fingerprint: UUID
    oversized: bool = False
    sku_elsewhere: bool = True

    @property
    def ready(self) -> bool:
        """Whether the scrapers have uploaded its photos."""
        return self.image_status in READY

    def metadata(self) -> dict[str, str]:
        """What Ximilar stores beside a photo: columns that are NULL (or no number, for the price) are left out."""
        columns = {
            "sku_id": self.sku,
            "brand": self.brand,
            "name": self.name,
            "category": self.category,
            "price": _price(self.price),
        }
        said = {name: _text(value) for name, value in columns.items() if value is not None}
        return {**said, "currency": CURRENCY}


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos a row lists: addresses to send, each once and in order, and those refused, with the reason."""

    urls: list[str]
    refused: list[str]


def photos(product: Product, *, allow_private: bool = False) -> Photos:
    """Read `image_urls`, which may be anything. Never raises."""
    urls: dict[str, None] = {}
    refused = ["image_urls over 1 MiB"] if product.oversized else []
    for place, entry in enumerate(_entries(product.image_urls), start=1):
        try:
            urls[_address(entry, allow_private)] = None
        except UrlRefused as refusal:
            refused.append(f"photo {place}: {refusal}")
    return Photos(list(urls), refused)


def _entries(text: str | None) -> list[object]:
    try:
        # parse_int: a number of over 4,300 digits raises; no number is an address anyway.
        parsed = json.loads(text or "null", parse_int=float)
    except (ValueError, RecursionError):
        return []
    return parsed if isinstance(parsed, list) else []


def _address(entry: object, allow_private: bool) -> str:
    if not isinstance(entry, str):
        raise UrlRefused("not a text")
    return photo_url(entry, allow_private=allow_private)


def _price(text: str | None) -> str | None:
    """The price as Postgres prints it, unless it is NaN or infinite."""
    try:
        return text if text is not None and math.isfinite(float(text)) else None
    except ValueError:
        return None


def _text(value: str) -> str:
    """Without control characters, cut at 1 KiB of UTF-8."""
    return _CONTROL.sub(" ", value).encode("utf-8", "replace")[:TEXT_LIMIT_BYTES].decode("utf-8", "ignore")
