"""Profile `recognition`: the five calls of the two old servers, in the shapes they were assumed to have."""

from __future__ import annotations

import hashlib
from typing import Any

import falcon
from PIL import Image

from ops.emulator import detection, pictures, tagging
from ops.emulator.api import ApiResource, Asked, Document, Operation, envelope
from ops.emulator.collection import DUPLICATE, FULL, REMOVED, STORED, Photo
from ops.emulator.descriptor import SIDE, describe
from ops.emulator.records import analysed, image_bytes, k_of, records_of
from ops.emulator.requestlog import Call
from ops.emulator.state import State

PREFIX = "/recognition/v2/"
DEFAULT_K = 10
CREDITS = {"collectImage": 10, "detect": 5, "classify": 15, "visualSearch": 10}
"""What one analysed image costs; invented, in the proportions integrators report."""
REFUSALS = {DUPLICATE: "record duplicate", FULL: "hard capacity exceeded"}


def routes(state: State) -> dict[str, ApiResource]:
    """The profile's resources by path."""
    operations: dict[str, Operation] = {
        "collectImage": collect_image,
        "collectRemove": collect_remove,
        "detect": detect,
        "classify": classify,
        "visualSearch": visual_search,
    }
    return {f"{PREFIX}{name}": ApiResource(state, operation) for name, operation in operations.items()}


def collect_image(state: State, call: Call, asked: Asked) -> Document:
    """Download, describe and store one photo; what is stored already is refused before it is downloaded."""
    url, sku_id, metadata = _product_photo(state, asked)
    capacity, record_id = state.settings.capacity, photo_id(sku_id, url)
    refusal = state.collection.refusal(record_id, capacity=capacity)
    if refusal is not None:
        return envelope(refusal, REFUSALS[refusal], call)
    try:
        image = pictures.decode(state.downloader.fetch(url), at_least=SIDE)
    except pictures.PictureError as error:
        return envelope(400, str(error), call)
    state.credits.charge("collectImage", CREDITS["collectImage"])
    code = state.collection.add(Photo(record_id, url, metadata, describe(image)), capacity=capacity)
    call.applied = code == STORED
    return envelope(code, REFUSALS.get(code, "OK"), call)


def collect_remove(state: State, call: Call, asked: Asked) -> Document:
    """Remove one photo by its address and SKU."""
    url, sku_id, _ = _product_photo(state, asked)
    code = state.collection.remove(photo_id(sku_id, url))
    call.applied = code == REMOVED
    return envelope(code, "OK" if call.applied else "records not found", call)


def detect(state: State, call: Call, asked: Asked) -> Document:
    """Boxes for each record, each with the address of its crop on this server."""

    def objects(_record: Document, image: Image.Image) -> Document:
        return {"_objects": [_object(state, asked.origin, image, found) for found in detection.detect(image)]}

    cost = ("detect", CREDITS["detect"])
    return envelope(200, "OK", call, records=analysed(state, asked, cost=cost, analyse=objects))


def classify(state: State, call: Call, asked: Asked) -> Document:
    """Tags for each record; `task_id` is accepted and makes no difference."""

    def tags(_record: Document, image: Image.Image) -> Document:
        found = tagging.tag(image)
        return {"_tags": found, "best_label": found["Type"][0]}

    cost = ("classify", CREDITS["classify"])
    return envelope(200, "OK", call, records=analysed(state, asked, cost=cost, analyse=tags))


def visual_search(state: State, call: Call, asked: Asked) -> Document:
    """The photos of the collection most like the query, best first."""
    _require_collection(state, asked.document)
    records = records_of(asked)
    if len(records) != 1:
        raise falcon.HTTPBadRequest(description="Exactly one record can be searched for.")
    k = k_of(asked, DEFAULT_K)
    try:
        image = pictures.decode(image_bytes(state, asked.origin, records[0]), at_least=SIDE)
    except pictures.PictureError as error:
        return envelope(400, str(error), call, answer_records=[], answer_count=0)
    state.credits.charge("visualSearch", CREDITS["visualSearch"])
    answers = [_answer(state, score, photo) for score, photo in state.collection.search(describe(image), k)]
    return envelope(200, "OK", call, answer_records=answers, answer_count=len(answers))


def photo_id(sku_id: str, url: str) -> str:
    """The same for the same photo in every run, so that runs can be compared."""
    return hashlib.sha256(f"{sku_id}\n{url}".encode()).hexdigest()[:32]


def _product_photo(state: State, asked: Asked) -> tuple[str, str, Document]:
    """Address, SKU and metadata of a collect call. Raises falcon.HTTPError."""
    _require_collection(state, asked.document)
    url, metadata = asked.document.get("image"), asked.document.get("metadata")
    if not isinstance(url, str) or not url:
        raise falcon.HTTPBadRequest(description="image: This field is required.")
    sku_id = metadata.get("sku_id") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(sku_id, str) or not sku_id:
        raise falcon.HTTPBadRequest(description="metadata.sku_id: This field is required.")
    return url, sku_id, metadata


def _require_collection(state: State, document: Document) -> None:
    """Raises falcon.HTTPForbidden: the account's fault, never the photo's (README.md says why)."""
    if document.get("collection_id") != state.settings.collection:
        raise falcon.HTTPForbidden(description="You do not have permission to access this collection.")


def _object(state: State, origin: str, image: Image.Image, found: detection.Detected) -> Document:
    path = state.crops.add(pictures.encode(image.crop(found.box)))
    return {"name": found.name, "bound_box": list(found.box), "prob": found.prob, "crop_url": origin + path}


def _answer(state: State, score: float, photo: Photo) -> dict[str, Any]:
    return {
        "_id": photo.id,
        "sku_id": photo.sku_id,
        "score": round(score, 6),
        "image_urls": state.collection.urls_of(photo.sku_id or ""),
        "metadata": photo.metadata,
    }
