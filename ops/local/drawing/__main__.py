"""python -m ops.local.drawing: draw the sample catalogue anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ops.local.drawing.collection import ITEMS, SCARF, Item
from ops.local.drawing.photo import detail, front, other_side

FOLDER = Path(__file__).resolve().parents[1] / "catalogue"
QUALITY = 84
VIEWS = (front, other_side, detail)
SCARF_PHOTO, NO_PICTURE, MISSING = "scarf-1.jpg", "scarf-2.jpg", "gloves-1.jpg"

# What the demo must report as errors, with a reason that contains `broken`, and nothing else.
BROKEN = (
    {
        "external_id": "BROKEN-01",
        "brand": "Torn",
        "name": "Scarf whose photo is a web page",
        "category": "scarf",
        "price": "79.00",
        "photos": [SCARF_PHOTO, NO_PICTURE],
        "broken": "image cannot be decoded",
    },
    {
        "external_id": "BROKEN-02",
        "brand": "Torn",
        "name": "Gloves whose photo was deleted",
        "category": "gloves",
        "price": "89.00",
        "photos": [MISSING],
        "broken": "HTTP 404",
    },
)


def main() -> None:
    """Write images/ and catalogue.json."""
    images = FOLDER / "images"
    images.mkdir(parents=True, exist_ok=True)
    products = [_product(number, item, images) for number, item in enumerate(ITEMS, start=1)]
    front(SCARF).save(images / SCARF_PHOTO, quality=QUALITY, optimize=True)
    (images / NO_PICTURE).write_text("<!doctype html><title>Moved</title>\n", encoding="utf-8")
    text = json.dumps([*products, *BROKEN], indent=1, ensure_ascii=False)
    (FOLDER / "catalogue.json").write_text(f"{text}\n", encoding="utf-8")
    print(f"{len(products)} products drawn in {FOLDER}")


def _product(number: int, item: Item, images: Path) -> dict[str, Any]:
    names = [f"{number:03}-{view}.jpg" for view in range(1, item.views + 1)]
    for name, view in zip(names, VIEWS, strict=False):
        view(item.look).save(images / name, quality=QUALITY, optimize=True)
    return {
        "external_id": f"UNDE-{number:03}",
        "brand": item.brand,
        "name": item.name,
        "category": item.category,
        "price": item.price,
        "photos": names,
    }


if __name__ == "__main__":
    main()
