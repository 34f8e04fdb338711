"""Inserting: each record on its own, refused where its `_id` is there already; nothing is ever overwritten."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ops.emulator import pictures
from ops.emulator.api import Asked, Document
from ops.emulator.collection import STORED, Photo, RecordId
from ops.emulator.descriptor import SIDE, Descriptor, describe
from ops.emulator.detection import detect
from ops.emulator.fashion import answers
from ops.emulator.records import image_bytes, records_of
from ops.emulator.requestlog import Call
from ops.emulator.state import State

LOOKED_AT = 2 * SIDE
"""Pixels a side that are enough of an image, since only a part of it may be described."""
CREDITS = 10  # for an image; as integrators report

# The client tells a duplicate among skipped records by this code, not by 411.
_REASONS = {answers.DUPLICATE: answers.SOME_INSERTED}


def insert(state: State, call: Call, asked: Asked) -> Document:
    """Store what is new; what is not goes to `skipped_records`, each with its reason."""
    fields = answers.fields_to_return(asked)
    inserted: list[Photo] = []
    skipped: list[Document] = []
    reasons: list[int] = []
    for record in records_of(asked):
        photo, code, text = _insert_one(state, asked, record)
        if photo is not None:
            inserted.append(photo)
            continue
        reasons.append(code)
        kept = {name: value for name, value in record.items() if name != "_base64"}
        reason = answers.status(_REASONS.get(code, code), text or answers.TEXTS[code])
        skipped.append({**kept, "_reason": {"status": reason}})
    call.applied = bool(inserted)
    shown = [answers.shown(photo, fields) for photo in inserted]
    return answers.answer(call, _code(len(inserted), reasons), shown, skipped_records=skipped)


def metadata_of(record: Document) -> dict[str, Any]:
    """What is stored beside the image: names that begin with an underscore are Ximilar's."""
    return {name: value for name, value in record.items() if not name.startswith("_")}


def record_id(record: Document) -> RecordId | None:
    """The record's `_id`, if it has one that can be."""
    found = record.get("_id")
    return found if isinstance(found, str) or type(found) is int else None


def describe_largest(image: Image.Image) -> Descriptor:
    """The descriptor of the largest garment, or of all of the image where none stands out."""
    objects = detect(image)
    return describe(image.crop(objects[0].box) if objects else image)


def _insert_one(state: State, asked: Asked, record: Document) -> tuple[Photo | None, int, str]:
    """The record stored, or a code and text why not. A duplicate is refused before its image is fetched."""
    found, capacity = record_id(record), state.settings.capacity
    if found is None:
        return None, answers.UNREADABLE, "_id: This field is required."
    refusal = state.fashion.refusal(found, capacity=capacity)
    if refusal is not None:
        if refusal == answers.DUPLICATE and state.settings.bill_duplicates:
            state.credits.charge("insert", CREDITS)
        return None, refusal, ""
    try:
        image = pictures.decode(image_bytes(state, asked.origin, record), at_least=LOOKED_AT)
    except pictures.PictureError as error:
        return None, answers.UNREADABLE, str(error)
    state.credits.charge("insert", CREDITS)
    photo = Photo(found, record.get("_url"), metadata_of(record), describe_largest(image))
    code = state.fashion.add(photo, capacity=capacity)
    return (photo if code == STORED else None), code, ""


def _code(inserted: int, reasons: list[int]) -> int:
    """The answer's code. All refused for other reasons than these two is not documented; 211 says the least."""
    if not reasons:
        return answers.INSERTED
    if inserted == 0 and answers.FULL in reasons:
        return answers.FULL
    if inserted == 0 and set(reasons) == {answers.DUPLICATE}:
        return answers.DUPLICATE
    return answers.SOME_INSERTED
