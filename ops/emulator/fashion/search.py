"""Searching the collection by a picture or by a record of its own; distances, lower is closer."""

from __future__ import annotations

import falcon

from ops.emulator import pictures
from ops.emulator.api import Asked, Document
from ops.emulator.descriptor import Descriptor
from ops.emulator.fashion import answers, filters
from ops.emulator.fashion.insertion import LOOKED_AT, describe_largest, record_id
from ops.emulator.records import image_bytes, k_of, records_of
from ops.emulator.requestlog import Call
from ops.emulator.state import State

DEFAULT_K = 30
CREDITS_BY_ID, CREDITS_BY_IMAGE = 1, 10  # Ximilar's own figures


def search(state: State, call: Call, asked: Asked) -> Document:
    """The records most like the query, nearest first; the filter comes before the k nearest."""
    fields, k = answers.fields_to_return(asked), k_of(asked, DEFAULT_K)
    where = condition(asked.document.get("filter"))
    try:
        descriptor = _descriptor(state, asked, _query_record(asked))
    except pictures.PictureError as error:
        return answers.answer(call, answers.UNREADABLE, [], text=str(error), answer_distances=[])
    if descriptor is None:
        return answers.answer(call, answers.NOT_FOUND, [], answer_distances=[])
    found = state.fashion.search(descriptor, k, where=lambda photo: where(answers.all_fields(photo)))
    records = [answers.shown(photo, fields) for _similarity, photo in found]
    distances = [round(1.0 - similarity, 6) for similarity, _photo in found]
    return answers.answer(call, answers.OK, records, answer_distances=distances)


def condition(document: object) -> filters.Condition:
    """The request's filter; none fits all. Raises falcon.HTTPBadRequest."""
    try:
        return filters.parse({} if document is None else document)
    except filters.FilterError as error:
        raise falcon.HTTPBadRequest(description=str(error)) from error


def _query_record(asked: Asked) -> Document:
    """The one record to search for; the official client may also send it as `records`."""
    query = asked.document.get("query_record")
    if query is None and "records" in asked.document:
        records = records_of(asked)
        query = records[0] if len(records) == 1 else None
    if not isinstance(query, dict):
        raise falcon.HTTPBadRequest(description="query_record: Exactly one record can be searched for.")
    return query


def _descriptor(state: State, asked: Asked, query: Document) -> Descriptor | None:
    """What to search for; None if the query names a record that is not there. Raises pictures.PictureError."""
    found = record_id(query)
    if found is not None and "_url" not in query and "_base64" not in query:
        photo = state.fashion.get(found)
        if photo is not None:
            state.credits.charge("search", CREDITS_BY_ID)
        return None if photo is None else photo.descriptor
    image = pictures.decode(image_bytes(state, asked.origin, query), at_least=LOOKED_AT)
    state.credits.charge("search", CREDITS_BY_IMAGE)
    return describe_largest(image)
