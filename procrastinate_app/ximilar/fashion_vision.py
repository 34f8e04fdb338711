"""The calls of profile `fashion` that look at a photo: detection, tags, colours, search.

Detection, tags and colours are services of their own, the search is one of the collection's methods. None of
them gives crops: whoever wants one cuts it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import envelope, fashion_collection, fashion_taxonomy, fields
from .answers import Candidate, Item, Photo, Tags, one_per_sku
from .calls import Call, Request, Response
from .errors import ItemFault, Nonsense

TAGGING = "/tagging/fashion/v2"
COLORS = "/dom_colors/product/v2/dominantcolor"

# A product has several photos, each a record of its own: more records are asked for than products are wanted.
RECORDS_A_PRODUCT = 5
MAX_RECORDS = 300

# By these names a record may hold its product's number; a number is no metadata.
SKU_FIELDS = ("sku_id", "sku", "product_id")
NOTHING_FOUND = (404,)

_HEX = re.compile(r"#?([0-9a-fA-F]{6})")


def detect(url: str) -> Call[list[Item]]:
    """Find the garments on a photo; no item has a crop."""
    return Call("detect", _asking("detect", [Photo(url)]), _read_items)


def tag(photos: Sequence[Photo]) -> Sequence[Call[list[Tags | None]]]:
    """Name what the garments on up to 10 photos are like; the hex of their colours is a call of its own."""
    return (
        Call("tag", _asking("tags", photos), lambda r: _each(r, len(photos), fashion_taxonomy.tags)),
        Call(
            "colors",
            Request("POST", COLORS, _records(photos)),
            lambda r: _each(r, len(photos), _color),
            optional=True,
        ),
    )


def search(
    path: str, collection_id: str, photo: Photo, top_k: int, category: str | None = None
) -> Call[list[Candidate]]:
    """Find up to `top_k` products that look alike; only those of `category` if one is given.

    Ximilar answers with distances, whose range it does not say: a distance d becomes the score 1 / (1 + d), which
    is 1 for the same picture, falls with every distance and never leaves 0..1.
    """
    body = {
        "query_record": photo.as_record(),
        "k": max(top_k, min(top_k * RECORDS_A_PRODUCT, MAX_RECORDS)),
        "fields_to_return": ["*"],
        **({"filter": {"category": {"$in": fashion_taxonomy.spellings(category)}}} if category else {}),
    }
    request = Request("POST", path, body, {"collection-id": collection_id})
    return Call("search", request, lambda r: _read_candidates(r)[:top_k])


def _asking(method: str, photos: Sequence[Photo]) -> Request:
    return Request("POST", f"{TAGGING}/{method}", _records(photos))


def _records(photos: Sequence[Photo]) -> dict[str, Any]:
    return {"records": [photo.as_record() for photo in photos]}


def _read_items(response: Response) -> list[Item]:
    record = fields.records(response)[0]
    size = fields.sizes(record.get("_width"), record.get("_height"))
    fault = fields.refused(response, record)
    # It is not said how a photo without garments is answered. One that has a size or a list has been read.
    if fault is not None and size is None and not isinstance(record.get("_objects"), list):
        raise fault
    return [_item(found, size) for found in fields.objects(record.get("_objects"))]


def _item(found: Mapping[str, Any], size: Sequence[int] | None) -> Item:
    return Item(
        crop_url=None,
        bbox=fields.box(found.get("bound_box")),
        category=fashion_taxonomy.category(found),
        confidence=fields.unit(found.get("prob")),
        size=(size[0], size[1]) if size else None,
    )


def _each(response: Response, count: int, read: Callable[[Mapping[str, Any]], Tags]) -> list[Tags | None]:
    """Return what each of `count` records says, or None for one that is refused; records keep their order."""
    records = fields.records(response)
    if len(records) != count:
        raise Nonsense("not as many records as were asked about")
    faults = [fields.refused(response, record) for record in records]
    if count == 1 and isinstance(faults[0], ItemFault):
        raise faults[0]
    return [None if fault else read(record) for record, fault in zip(records, faults, strict=True)]


def _color(record: Mapping[str, Any]) -> Tags:
    found = envelope.mapping(record.get("_dominant_colors"))
    shares = found.get("percentages")
    colors = _hex_colors(found)
    if isinstance(shares, list) and len(shares) == len(colors):
        ranked = sorted(zip(shares, colors, strict=True), key=lambda pair: -(fields.number(pair[0]) or 0))
        colors = [color for _, color in ranked]
    return Tags(color_hex=next(filter(None, colors), None))


def _hex_colors(found: Mapping[str, Any]) -> list[str | None]:
    """The colours as #RRGGBB; of the two fields that may hold them only the numbers are documented."""
    for field, read in (("rgb_hex_colors", _hex), ("rgb_colors", _hex_of_numbers)):
        value = found.get(field)
        if isinstance(value, list) and value:
            return [read(color) for color in value]
    return []


def _hex(value: object) -> str | None:
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    return f"#{match[1].upper()}" if match else None


def _hex_of_numbers(value: object) -> str | None:
    channels = value if isinstance(value, list) else []
    known = [number for number in map(fields.number, channels) if number is not None and 0 <= number <= 255]
    if len(known) != 3 or len(channels) != 3:
        return None
    return "#" + "".join(f"{round(channel):02X}" for channel in known)


def _read_candidates(response: Response) -> list[Candidate]:
    document = envelope.document(response)
    code = envelope.body_code(document)
    if code in NOTHING_FOUND:
        return []
    if code is None and response.status >= 400:
        raise fashion_collection.failure(response, document)
    answer = envelope.success(response)
    distances = answer.get("answer_distances")
    far = iter(distances if isinstance(distances, list) else [])
    records = answer.get("answer_records")
    pairs = ((record, next(far, None)) for record in (records if isinstance(records, list) else []))
    found = [_candidate(record, distance) for record, distance in pairs if isinstance(record, dict)]
    return one_per_sku(candidate for candidate in found if candidate.sku_id)


def _candidate(record: Mapping[str, Any], distance: object) -> Candidate:
    url = fields.text(record.get("_url"))
    return Candidate(
        sku_id=next(filter(None, (fields.name(record.get(name)) for name in SKU_FIELDS)), ""),
        score=_score(distance),
        image_urls=[url] if url else [],
        metadata={
            name: value
            for name, value in record.items()
            if not name.startswith("_") and name not in SKU_FIELDS
        },
    )


def _score(distance: object) -> float:
    far = fields.number(distance)
    return 0.0 if far is None else 1 / (1 + max(far, 0))
