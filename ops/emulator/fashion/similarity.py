"""The Fashion Search collection: its paths, and the methods that look no image at."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import falcon

from ops.emulator.api import ApiResource, Asked, Document, Operation, PingResource
from ops.emulator.collection import REMOVED, Photo
from ops.emulator.fashion import answers
from ops.emulator.fashion.insertion import insert, metadata_of, record_id
from ops.emulator.fashion.search import condition, search
from ops.emulator.records import records_of
from ops.emulator.requestlog import Call
from ops.emulator.state import State

PREFIX = "/similarity/fashion-new/v2/"
SEARCHES = ("visualKNN", "visual_search", "visualTagsKNN")
"""Ximilar's pages and its client disagree about the name; here all three do the same."""
RANDOM_COUNT = 10


def routes(state: State) -> dict[str, object]:
    """The resources by path."""
    operations: dict[str, Operation] = {
        "insert": insert,
        "get": get,
        "update": update,
        "delete": delete,
        "deleteByFilter": delete_by_filter,
        "allRecords": all_records,
        "random": draw,
        **dict.fromkeys(SEARCHES, search),
    }
    resources = {name: ApiResource(state, _within(operation)) for name, operation in operations.items()}
    return {
        f"{PREFIX}{name}": one
        for name, one in {**resources, "ping": PingResource(state, _within(ping))}.items()
    }


def ping(_state: State, call: Call, _asked: Asked) -> Document:
    """Whether the collection is there."""
    return answers.answer(call, answers.OK, [])


def get(state: State, call: Call, asked: Asked) -> Document:
    """The records of those ids that are there."""
    fields = answers.fields_to_return(asked)
    found = _each(asked, lambda record: _known(state, record))
    return _about(call, found, answers.FOUND, fields)


def update(state: State, call: Call, asked: Asked) -> Document:
    """New metadata for records that are there; their images stay what they are."""
    fields, replace = answers.fields_to_return(asked), state.settings.update_replaces

    def updated(record: Document) -> Photo | None:
        found = record_id(record)
        return None if found is None else state.fashion.update(found, metadata_of(record), replace=replace)

    found = _each(asked, updated)
    call.applied = any(found)
    return _about(call, found, answers.OK, fields)


def delete(state: State, call: Call, asked: Asked) -> Document:
    """Remove records by their ids."""
    found = _each(asked, lambda record: _removed(state, _known(state, record)))
    call.applied = any(found)
    return _about(call, found, answers.DELETED, ["_id"])


def delete_by_filter(state: State, call: Call, asked: Asked) -> Document:
    """Remove the records a filter fits; an empty one would empty the collection, and is refused."""
    if not asked.document.get("filter"):
        raise falcon.HTTPBadRequest(description="filter: This field is required.")
    fitting = _fitting(state, asked)
    removed = [photo for photo in fitting if _removed(state, photo) is not None]
    call.applied = bool(removed)
    return _about(call, removed, answers.DELETED, ["_id"])


def all_records(state: State, call: Call, asked: Asked) -> Document:
    """The collection, oldest first: all of it, or a page of it and `next` while there are more."""
    fields, photos = answers.fields_to_return(asked), _fitting(state, asked)
    size, page = (_whole(asked, name) for name in ("size", "page"))
    if size is None:
        return answers.answer(call, answers.OK, (answers.shown(photo, fields) for photo in photos))
    number = page or 1
    shown = [answers.shown(photo, fields) for photo in photos[(number - 1) * size : number * size]]
    more: Document = {"next": number + 1} if number * size < len(photos) else {}
    return answers.answer(call, answers.OK, shown, **more)


def draw(state: State, call: Call, asked: Asked) -> Document:
    """Records drawn at random."""
    fields, photos = answers.fields_to_return(asked), _fitting(state, asked)
    count = asked.document.get("count", RANDOM_COUNT)
    if type(count) is not int or count < 1:
        raise falcon.HTTPBadRequest(description="count must be a whole number, 1 or more.")
    drawn = random.sample(photos, min(count, len(photos)))
    return answers.answer(call, answers.OK, (answers.shown(photo, fields) for photo in drawn))


def _within(operation: Operation) -> Operation:
    """`operation`, refused with 403 without the collection's id: the account's fault, never a record's."""

    def checked(state: State, call: Call, asked: Asked) -> Document:
        if asked.collection != state.settings.collection:
            raise falcon.HTTPForbidden(description="You do not have permission to access this collection.")
        return operation(state, call, asked)

    return checked


def _each(asked: Asked, find: Callable[[Document], Photo | None]) -> list[Photo | None]:
    return [find(record) for record in records_of(asked)]


def _known(state: State, record: Document) -> Photo | None:
    found = record_id(record)
    return None if found is None else state.fashion.get(found)


def _removed(state: State, photo: Photo | None) -> Photo | None:
    """The photo, if it was this call that removed it."""
    return photo if photo is not None and state.fashion.remove(photo.id) == REMOVED else None


def _fitting(state: State, asked: Asked) -> list[Photo]:
    fits = condition(asked.document.get("filter"))
    return [photo for photo in state.fashion.photos() if fits(answers.all_fields(photo))]


def _about(call: Call, found: Iterable[Photo | None], code: int, fields: list[str]) -> Document:
    """`code` if all were found, 206 if some were, 404 if none was."""
    listed = list(found)
    there = [photo for photo in listed if photo is not None]
    if len(there) < len(listed) or not there:
        code = answers.SOME_MISSING if there else answers.NOT_FOUND
    return answers.answer(call, code, (answers.shown(photo, fields) for photo in there))


def _whole(asked: Asked, name: str) -> int | None:
    """A parameter of the query string. Raises falcon.HTTPBadRequest."""
    text = asked.params.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or int(text) < 1:
        raise falcon.HTTPBadRequest(description=f"{name} must be a whole number, 1 or more.")
    return int(text)
