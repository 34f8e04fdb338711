"""A catalogue for the local system: products with the files of their photos, read from JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from PIL import Image
from psycopg.types.json import Jsonb

SAMPLE = Path(__file__).with_name("catalogue") / "catalogue.json"

INSERT = """
    INSERT INTO public.raw_products
           (external_id, brand, name, category, price, image_urls, image_status, ximilar_status)
    VALUES (%s, %s, %s, %s, %s, %s, 'collage_ready', 'pending')
"""


class CatalogueError(ValueError):
    """The catalogue cannot be read; the message names the file and the reason."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product. `broken` is None, or what the reason of its error must contain."""

    external_id: str
    brand: str
    name: str
    category: str
    price: str
    photos: tuple[str, ...]
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products and the folder of their photos."""

    products: tuple[Product, ...]
    images: Path

    @classmethod
    def read(cls, path: Path) -> Catalogue:
        """Read `path`; the photos are in the folder images beside it. Raises CatalogueError."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            products = tuple(_product(entry) for entry in entries)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogueError(f"{path}: {type(error).__name__}: {error}") from error
        if not products:
            raise CatalogueError(f"{path}: no products")
        return cls(products, path.resolve().parent / "images")

    @property
    def good(self) -> tuple[Product, ...]:
        """The products that must become synced."""
        return tuple(product for product in self.products if product.broken is None)

    @property
    def broken(self) -> tuple[Product, ...]:
        """The products that must become errors."""
        return tuple(product for product in self.products if product.broken is not None)

    def photos(self) -> int:
        """How many photos there are, those included that cannot be had."""
        return sum(len(set(product.photos)) for product in self.products)

    def storable(self) -> set[tuple[str, str]]:
        """Return (SKU, file) of every photo that the collection must hold in the end."""
        pairs = {(product.external_id, photo) for product in self.products for photo in product.photos}
        unreadable = {photo for product in self.broken for photo in product.photos if not self._opens(photo)}
        return {pair for pair in pairs if pair[1] not in unreadable}

    def _opens(self, photo: str) -> bool:
        try:
            Image.open(self.images / photo).close()
        except OSError:
            return False
        return True


def load(owner: psycopg.Connection[Any], products: tuple[Product, ...], photos_url: str) -> None:
    """Insert the products as the scrapers do; their photos lie under `photos_url`."""
    rows = [
        (
            p.external_id,
            p.brand,
            p.name,
            p.category,
            p.price,
            Jsonb([f"{photos_url}/{name}" for name in p.photos]),
        )
        for p in products
    ]
    with owner.cursor() as cursor:
        cursor.executemany(INSERT, rows)


def _product(entry: dict[str, Any]) -> Product:
    return Product(
        **{name: str(entry[name]) for name in ("external_id", "brand", "name", "category", "price")},
        photos=tuple(entry["photos"]),
        broken=entry.get("broken"),
    )
