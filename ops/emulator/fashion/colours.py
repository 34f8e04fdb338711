"""Dominant Colors: measured, of the product in front or of all of the picture."""

from __future__ import annotations

from typing import Any

import falcon
from PIL import Image

from ops.emulator import tagging
from ops.emulator.api import ApiResource, Asked, Document, Operation, envelope
from ops.emulator.detection import Box, detect
from ops.emulator.records import analysed
from ops.emulator.requestlog import Call
from ops.emulator.state import State

DEFAULT_COLOURS = {"product": 3, "generic": 6}
CREDITS = 5  # for an image; invented


def routes(state: State) -> dict[str, object]:
    """The resources by path."""
    return {
        f"/dom_colors/{kind}/v2/dominantcolor": ApiResource(state, _operation(kind))
        for kind in DEFAULT_COLOURS
    }


def _operation(kind: str) -> Operation:
    def operation(state: State, call: Call, asked: Asked) -> Document:
        count = asked.document.get("colors", DEFAULT_COLOURS[kind])
        if type(count) is not int or count < 1:
            raise falcon.HTTPBadRequest(description="colors must be a whole number, 1 or more.")
        extract = asked.document.get("_extract_object") is True

        def dominant(record: Document, image: Image.Image) -> Document:
            box = _given_box(record, image) if extract or record.get("_extract_object") is True else None
            return {"_dominant_colors": _dominant(image, box or _box(kind, image), count)}

        records = analysed(state, asked, cost=("dominantcolor", CREDITS), analyse=dominant)
        return envelope(200, "OK", call, records=records)

    return operation


def _given_box(record: Document, image: Image.Image) -> Box | None:
    """The first object's box, cut to the image; None if it is none."""
    objects = record.get("_objects")
    first = objects[0] if isinstance(objects, list) and objects else None
    sides = first.get("bound_box") if isinstance(first, dict) else None
    if (
        not isinstance(sides, list)
        or len(sides) != 4
        or not all(type(side) in (int, float) for side in sides)
    ):
        return None
    left, top = max(0, int(sides[0])), max(0, int(sides[1]))
    right, bottom = min(image.width, int(sides[2])), min(image.height, int(sides[3]))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _box(kind: str, image: Image.Image) -> Box:
    objects = detect(image) if kind == "product" else []
    return objects[0].box if objects else tagging.whole(image)


def _dominant(image: Image.Image, box: Box, count: int) -> dict[str, Any]:
    found = tagging.palette(tagging.surface_of(image, box))[:count]
    return {
        "rgb_colors": [list(colour) for _share, colour in found],
        "rgb_hex_colors": ["#{:02x}{:02x}{:02x}".format(*colour) for _share, colour in found],
        "percentages": [round(share, 4) for share, _colour in found],
        "color_names": [tagging.colour_name(colour) for _share, colour in found],
    }
