"""Fashion Tagging: boxes and tags in Ximilar's shapes and taxonomy; what they say is guessed from pixels."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import falcon
from PIL import Image, ImageStat

from ops.emulator import tagging
from ops.emulator.api import ApiResource, Asked, Document, Operation, envelope
from ops.emulator.detection import GRID, Detected, detect
from ops.emulator.records import analysed
from ops.emulator.requestlog import Call
from ops.emulator.state import State

PREFIX = "/tagging/fashion/v2/"
CREDITS = {"detect": 5, "tags": 15, "detect_tags": 20, "detect_tags_all": 60, "meta": 5}
"""For an image: 60 is Ximilar's own figure, 5 and 15 are reported, the others invented."""
BRIGHT = 190

Analysis = Callable[[Document, Image.Image], Document]


@dataclass(frozen=True, slots=True)
class Garment:
    """The place in Ximilar's taxonomy of what `detection` can tell apart."""

    top_category: str
    category: str
    subcategory: str


GARMENTS = {
    "Dress": Garment("Clothing", "Clothing/Dresses", "midi dresses"),
    "Hat": Garment("Accessories", "Accessories/Headwear", "hats"),
    "Pants": Garment("Clothing", "Clothing/Pants", "trousers"),
    "Shoes": Garment("Footwear", "Footwear/Sneakers", "low top sneakers"),
    "Skirt": Garment("Clothing", "Clothing/Skirts", "midi skirts"),
    "T-Shirt": Garment("Clothing", "Clothing/Upper", "t-shirts"),
}
FEATURES = {"Color": "Color", "Material": "Material", "Design": "Pattern"}
"""Ximilar's name of a feature, and that of `tagging`."""


def routes(state: State) -> dict[str, object]:
    """The resources by path."""
    analyses: dict[str, Analysis] = {
        "detect": _detected,
        "tags": _tagged,
        "detect_tags": _largest_tagged,
        "detect_tags_all": _all_tagged,
        "meta": _scene,
    }
    posts = {name: ApiResource(state, _operation(name, analyse)) for name, analyse in analyses.items()}
    tops = dict.fromkeys(garment.top_category for garment in GARMENTS.values())
    lists = {
        "top_categories": LabelsResource([*tops]),
        "categories": LabelsResource([garment.category for garment in GARMENTS.values()]),
    }
    return {f"{PREFIX}{name}": resource for name, resource in {**posts, **lists}.items()}


class LabelsResource:
    """GET of a list of the taxonomy; the official client sends no token."""

    def __init__(self, names: list[str]) -> None:
        self._labels = [{"id": _label_id(name), "name": name} for name in names]

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The labels."""
        resp.media = {"labels": self._labels}


def _operation(name: str, analyse: Analysis) -> Operation:
    def operation(state: State, call: Call, asked: Asked) -> Document:
        records = analysed(state, asked, cost=(name, CREDITS[name]), analyse=analyse)
        return envelope(200, "OK", call, records=records)

    return operation


def _detected(_record: Document, image: Image.Image) -> Document:
    return {"_objects": [_object(image, found) for found in detect(image)]}


def _tagged(record: Document, image: Image.Image) -> Document:
    """The whole image as one garment; its category may be given."""
    return _tags(tagging.tag_box(image, tagging.whole(image), 0.9), given=record)


def _largest_tagged(record: Document, image: Image.Image) -> Document:
    objects: list[Document] = _all_tagged(record, image)["_objects"]
    return {"_objects": objects[:1] + [_untagged(found) for found in objects[1:]]}


def _all_tagged(_record: Document, image: Image.Image) -> Document:
    found = [(_object(image, one), tagging.tag_box(image, one.box, one.prob)) for one in detect(image)]
    return {"_objects": [{**shown, **_tags(tags, given=shown)} for shown, tags in found]}


def _scene(_record: Document, image: Image.Image) -> Document:
    border = image.resize((GRID, GRID), Image.Resampling.BOX).crop((0, 0, GRID, 1))
    light = min(ImageStat.Stat(border).mean) >= BRIGHT
    return {"_tags_meta_simple": ["studio background" if light else "outdoor or interior"]}


def _object(image: Image.Image, found: Detected) -> Document:
    left, top, right, bottom = found.box
    garment = GARMENTS[found.name]
    return {
        "name": found.name,
        "id": _label_id(found.name),
        "prob": found.prob,
        "area": round((right - left) * (bottom - top) / (image.width * image.height), 4),
        "bound_box": list(found.box),
        "Top Category": garment.top_category,
        "Category": garment.category,
    }


def _untagged(found: Document) -> Document:
    return {name: value for name, value in found.items() if not name.startswith("_tags")}


def _tags(measured: dict[str, list[tagging.Tag]], *, given: Document) -> Document:
    """The three shapes Ximilar gives tags in. Only the first of them names the category."""
    kind = measured["Type"][0]
    garment = GARMENTS[kind["name"]]
    category = given.get("Category")
    features = {
        "Category": [_tag(category if isinstance(category, str) else garment.category, kind["prob"])],
        "Subcategory": [_tag(garment.subcategory, kind["prob"])],
        **{name: _feature(measured[ours]) for name, ours in FEATURES.items()},
    }
    best = {name: tags[0]["name"] for name, tags in features.items() if name != "Category"}
    return {"_tags": features, "_tags_simple": [*best.values()], "_tags_map": best}


def _feature(tags: list[tagging.Tag]) -> list[Document]:
    """Without the colours' hex values: Fashion Tagging has none."""
    return [_tag(tag["name"], tag["prob"]) for tag in tags]


def _tag(name: str, prob: float) -> dict[str, Any]:
    return {"id": _label_id(name), "name": name, "prob": prob}


@functools.cache
def _label_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
