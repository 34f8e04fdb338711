"""Profile `recognition`: the five calls of the two old servers, in the shapes they were assumed to have."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import falcon
from PIL import Image

from ops.emulator import crops, detection, pictures, tagging
from ops.emulator.api import ApiResource, Document, Operation, envelope
from ops.emulator.collection import DUPLICATE, FULL, REMOVED, STORED, Photo
from ops.emulator.descriptor import SIDE, describe
from ops.emulator.requestlog import Call
from ops.emulator.state import State

PREFIX = "/recognition/v2/"
MAX_RECORDS = 10
MAX_K = 1000
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


def collect_image(state: State, call: Call, _origin: str, document: Document) -> Document:
    """Download, describe and store one photo; what is stored already is refused before it is downloaded."""
    url, sku_id, metadata = _product_photo(state, document)
    capacity = state.settings.capacity
    refusal = state.collection.refusal(sku_id, url, capacity=capacity)
    if refusal is not None:
        return envelope(refusal, REFUSALS[refusal], call)
    try:
        image = pictures.decode(state.downloader.fetch(url), at_least=SIDE)
    except pictures.PictureError as error:
        return envelope(400, str(error), call)
    state.credits.charge("collectImage", CREDITS["collectImage"])
    code = state.collection.add(Photo(sku_id, url, metadata, describe(image)), capacity=capacity)
    call.applied = code == STORED
    return envelope(code, REFUSALS.get(code, "OK"), call)


def collect_remove(state: State, call: Call, _origin: str, document: Document) -> Document:
    """Remove one photo by its address and SKU."""
    url, sku_id, _ = _product_photo(state, document)
    code = state.collection.remove(sku_id, url)
    call.applied = code == REMOVED
    return envelope(code, "OK" if call.applied else "records not found", call)


def detect(state: State, call: Call, origin: str, document: Document) -> Document:
    """Boxes for each record, each with the address of its crop on this server."""

    def objects(image: Image.Image) -> Document:
        return {"_objects": [_object(state, origin, image, found) for found in detection.detect(image)]}

    return _records_answer(state, call, origin, document, cost="detect", analyse=objects)


def classify(state: State, call: Call, origin: str, document: Document) -> Document:
    """Tags for each record; `task_id` is accepted and makes no difference."""

    def tags(image: Image.Image) -> Document:
        found = tagging.tag(image)
        return {"_tags": found, "best_label": found["Type"][0]}

    return _records_answer(state, call, origin, document, cost="classify", analyse=tags)


def visual_search(state: State, call: Call, origin: str, document: Document) -> Document:
    """The photos of the collection most like the query, best first."""
    _require_collection(state, document)
    records = _records(document)
    if len(records) != 1:
        raise falcon.HTTPBadRequest(description="Exactly one record can be searched for.")
    k = document.get("k", DEFAULT_K)
    if type(k) is not int or not 1 <= k <= MAX_K:
        raise falcon.HTTPBadRequest(description=f"k must be between 1 and {MAX_K}.")
    try:
        image = pictures.decode(_bytes(state, origin, records[0]), at_least=SIDE)
    except pictures.PictureError as error:
        return envelope(400, str(error), call, answer_records=[], answer_count=0)
    state.credits.charge("visualSearch", CREDITS["visualSearch"])
    answers = [_answer(state, score, photo) for score, photo in state.collection.search(describe(image), k)]
    return envelope(200, "OK", call, answer_records=answers, answer_count=len(answers))


def _product_photo(state: State, document: Document) -> tuple[str, str, Document]:
    """Address, SKU and metadata of a collect call. Raises falcon.HTTPError."""
    _require_collection(state, document)
    url, metadata = document.get("image"), document.get("metadata")
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


def _records_answer(
    state: State,
    call: Call,
    origin: str,
    document: Document,
    *,
    cost: str,
    analyse: Callable[[Image.Image], Document],
) -> Document:
    """Each record with what `analyse` says of its image, or with a status that says why it cannot."""
    answers = []
    for record in _records(document):
        echo = {name: value for name, value in record.items() if name != "_base64"}
        echo.setdefault("_id", uuid.uuid4().hex)
        try:
            image = pictures.decode(_bytes(state, origin, record))
        except pictures.PictureError as error:
            answers.append({**echo, "_status": _record_status(400, str(error))})
            continue
        state.credits.charge(cost, CREDITS[cost])
        size = {"_width": image.width, "_height": image.height}
        answers.append({**echo, **size, "_status": _record_status(200, "OK"), **analyse(image)})
    return envelope(200, "OK", call, records=answers)


def _records(document: Document) -> list[Document]:
    """The request's records. Raises falcon.HTTPBadRequest."""
    records = document.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise falcon.HTTPBadRequest(description="records: Expected a list of records.")
    if not 1 <= len(records) <= MAX_RECORDS:
        raise falcon.HTTPBadRequest(description=f"records: Between 1 and {MAX_RECORDS} can be sent.")
    return records


def _bytes(state: State, origin: str, record: Document) -> bytes:
    """The record's image. Raises pictures.PictureError."""
    url, text = record.get("_url"), record.get("_base64")
    if isinstance(url, str) and text is None:
        # A crop of ours is not downloaded: under load all threads would wait for one that serves it.
        own = state.crops.get(url.removeprefix(origin)) if url.startswith(origin + crops.PATH) else None
        return own or state.downloader.fetch(url)
    if isinstance(text, str) and url is None:
        return pictures.from_base64(text)
    raise pictures.PictureError("record needs either _url or _base64")


def _record_status(code: int, text: str) -> Document:
    return {"code": code, "text": text, "request_id": uuid.uuid4().hex}


def _object(state: State, origin: str, image: Image.Image, found: detection.Detected) -> Document:
    path = state.crops.add(pictures.encode(image.crop(found.box)))
    return {"name": found.name, "bound_box": list(found.box), "prob": found.prob, "crop_url": origin + path}


def _answer(state: State, score: float, photo: Photo) -> dict[str, Any]:
    return {
        "_id": photo.id,
        "sku_id": photo.sku_id,
        "score": round(score, 6),
        "image_urls": state.collection.urls_of(photo.sku_id),
        "metadata": photo.metadata,
    }
