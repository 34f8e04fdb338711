"""The records of a request: their number, their images, and an answer for each; the same in every profile."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import falcon
from PIL import Image

from ops.emulator import crops, pictures
from ops.emulator.api import Asked, Document
from ops.emulator.state import State

MAX_RECORDS = 10
MAX_K = 1000


def records_of(asked: Asked) -> list[Document]:
    """The request's records. Raises falcon.HTTPBadRequest."""
    records = asked.document.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise falcon.HTTPBadRequest(description="records: Expected a list of records.")
    if not 1 <= len(records) <= MAX_RECORDS:
        raise falcon.HTTPBadRequest(description=f"records: Between 1 and {MAX_RECORDS} can be sent.")
    return records


def k_of(asked: Asked, default: int) -> int:
    """How many answers are wanted. Raises falcon.HTTPBadRequest."""
    k = asked.document.get("k", default)
    if type(k) is not int or not 1 <= k <= MAX_K:
        raise falcon.HTTPBadRequest(description=f"k must be between 1 and {MAX_K}.")
    return k


def analysed(
    state: State, asked: Asked, *, cost: tuple[str, int], analyse: Callable[[Document, Image.Image], Document]
) -> list[Document]:
    """Each record with what `analyse` says of its image, or with a status that says why it cannot.

    `cost` is the call's name and its credits an image. Raises falcon.HTTPBadRequest.
    """
    answers = []
    for record in records_of(asked):
        echo = {name: value for name, value in record.items() if name != "_base64"}
        echo.setdefault("_id", uuid.uuid4().hex)
        try:
            image = pictures.decode(image_bytes(state, asked.origin, record))
        except pictures.PictureError as error:
            answers.append({**echo, "_status": _status(400, str(error))})
            continue
        state.credits.charge(*cost)
        size = {"_width": image.width, "_height": image.height}
        answers.append({**echo, **size, "_status": _status(200, "OK"), **analyse(record, image)})
    return answers


def image_bytes(state: State, origin: str, record: Document) -> bytes:
    """The record's image. Raises pictures.PictureError."""
    url, text = record.get("_url"), record.get("_base64")
    if isinstance(url, str) and text is None:
        # A crop of ours is not downloaded: under load all threads would wait for one that serves it.
        own = state.crops.get(url.removeprefix(origin)) if url.startswith(origin + crops.PATH) else None
        return own or state.downloader.fetch(url)
    if isinstance(text, str) and url is None:
        return pictures.from_base64(text)
    raise pictures.PictureError("record needs either _url or _base64")


def _status(code: int, text: str) -> Document:
    return {"code": code, "text": text, "request_id": uuid.uuid4().hex}
