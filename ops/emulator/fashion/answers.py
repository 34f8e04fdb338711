"""What the collection's methods answer: codes with their texts, and records cut to the fields asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import falcon

from ops.emulator.api import Asked, Document
from ops.emulator.collection import Photo
from ops.emulator.requestlog import Call

OK, FOUND, SOME_MISSING, INSERTED, SOME_INSERTED, DELETED = 200, 205, 206, 210, 211, 220
UNREADABLE, NOT_FOUND, DUPLICATE, FULL = 400, 404, 411, 412
TEXTS = {
    OK: "OK",
    FOUND: "records found",
    SOME_MISSING: "some of the records not found",
    INSERTED: "records inserted",
    SOME_INSERTED: "some records inserted",
    DELETED: "records deleted",
    NOT_FOUND: "records not found",
    DUPLICATE: "record duplicate",
    FULL: "hard capacity exceeded",
}
"""Ximilar's complete published set; 400 for an image is ours."""


def answer(call: Call, code: int, records: Iterable[Document], *, text: str = "", **more: Any) -> Document:
    """An answer's body, with the milliseconds it took."""
    listed = list(records)
    return {
        "answer_records": listed,
        "answer_count": len(listed),
        **more,
        "status": status(code, text),
        "statistics": {"OperationTime": round((time.monotonic() - call.arrived_monotonic) * 1000)},
    }


def status(code: int, text: str = "") -> Document:
    """A code with its text, Ximilar's own unless another is given."""
    return {"code": code, "text": text or TEXTS[code]}


def fields_to_return(asked: Asked) -> list[str]:
    """The fields of the answer's records, `_id` by default. Raises falcon.HTTPBadRequest."""
    fields = asked.document.get("fields_to_return", ["_id"])
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise falcon.HTTPBadRequest(description="fields_to_return: Expected a list of field names.")
    return fields


def shown(photo: Photo, fields: list[str]) -> Document:
    """The record with those of its fields; `*` are all, `_id` is always there."""
    everything = all_fields(photo)
    if "*" in fields:
        return everything
    return {name: value for name, value in everything.items() if name == "_id" or name in fields}


def all_fields(photo: Photo) -> Document:
    """The record as a filter sees it."""
    address = {} if photo.url is None else {"_url": photo.url}
    return {"_id": photo.id, **address, **photo.metadata}
