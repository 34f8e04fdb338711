"""The calls of profile `fashion` that keep a collection: insert, update, delete and listing.

Outcomes are matched by `_id`, never by position. What the documents leave open is read so that a doubt is never
a success: the photo is then asked for again under the same id, which cannot store it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import envelope, fields
from .answers import Held, Page, Record, Stored
from .calls import Call, Request, Response
from .errors import Forbidden, ItemFault, Nonsense, SystemFault, XimilarError

MOST_RECORDS = 10  # a request, by the documents
PAGE_RECORDS = 500  # so that records of the longest texts are still an answer of under 4 MiB, by far
FIELDS = ("sku_id", "brand", "name", "category", "price", "currency")
# By which Ximilar itself tells photos of one product from those of another; ours is the SKU.
GROUP = "product_id"

# `status.code` of the collection's methods, the complete published set.
OK, FOUND, SOME_MISSING, INSERTED, SOME_INSERTED, DELETED = 200, 205, 206, 210, 211, 220
NOT_FOUND, DUPLICATE = 404, 411


def insert(path: str, collection_id: str, records: Sequence[Record]) -> Call[list[Stored]]:
    """Store photos; one whose id exists is left as it is and comes back as `already`."""
    sent = [{**_metadata(record), "_id": record.remote_id, "_url": record.url} for record in records]
    return _call(
        "store",
        f"{path}/insert",
        collection_id,
        sent,
        partial(_read_each, records=records, as_good=DUPLICATE, read=_inserted),
    )


def delete(path: str, collection_id: str, records: Sequence[Record]) -> Call[list[Stored]]:
    """Remove photos by their ids; those that were not there are as good."""
    sent = [{"_id": record.remote_id} for record in records]
    return _call(
        "remove",
        f"{path}/delete",
        collection_id,
        sent,
        partial(_read_each, records=records, as_good=NOT_FOUND, read=_deleted),
    )


@dataclass(frozen=True, slots=True)
class FashionRecords:
    """What can be done with records by their ids, in the collection whose calls are below `path`."""

    path: str
    collection_id: str

    def update(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Replace metadata; a value that is no longer there is sent as null, since an update may only add."""
        nothing = dict.fromkeys((*FIELDS, GROUP))
        sent = [{**nothing, **_metadata(record), "_id": record.remote_id} for record in records]
        read = partial(_read_each, records=records, as_good=NOT_FOUND, read=_updated)
        return _call("update", f"{self.path}/update", self.collection_id, sent, read)

    def page(self, number: int) -> Call[Page]:
        """List 500 records with their metadata."""
        path = f"{self.path}/allRecords?size={PAGE_RECORDS}&page={number}"
        body = {"fields_to_return": ["_id", "_url", *FIELDS]}
        return Call("list", Request("POST", path, body, _headers(self.collection_id)), _read_page)

    def look(self, ids: Sequence[str]) -> Call[Page]:
        """Get records by their ids."""
        body = {"records": [{"_id": remote_id} for remote_id in ids], "fields_to_return": ["_id"]}
        request = Request("POST", f"{self.path}/get", body, _headers(self.collection_id))
        return Call("look", request, _read_page)


def _call(
    name: str,
    path: str,
    collection_id: str,
    records: Sequence[Mapping[str, Any]],
    read: Callable[[Response], list[Stored]],
) -> Call[list[Stored]]:
    body = {"records": records, "fields_to_return": ["_id"]}
    return Call(name, Request("POST", path, body, _headers(collection_id)), read)


def _headers(collection_id: str) -> Mapping[str, str]:
    return {"collection-id": collection_id}


def _metadata(record: Record) -> dict[str, Any]:
    sku = record.metadata.get("sku_id")
    return {**record.metadata, **({GROUP: sku} if sku else {})}


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that says what became of each record: ids `listed`, and those `skipped` with the reason."""

    code: int
    request_id: str | None
    listed: frozenset[str]
    skipped: Mapping[str, XimilarError]

    def of(self, record: Record, **said: Any) -> Stored:
        return Stored(
            record.url, code=self.code, request_id=self.request_id, remote_id=record.remote_id, **said
        )


def _read_each(
    response: Response, *, records: Sequence[Record], as_good: int, read: Callable[[_Answer, Record], Stored]
) -> list[Stored]:
    """`read` what an answer says of each record; one that refuses the whole request refuses every record."""
    answer = _answer(response, as_good=as_good)
    if isinstance(answer, ItemFault):
        return _all_refused(answer, records)
    return [read(answer, record) for record in records]


def _inserted(answer: _Answer, record: Record) -> Stored:
    reason = answer.skipped.get(record.remote_id or "")
    if record.remote_id in answer.listed:
        return answer.of(record)
    if reason is not None and reason.code not in (DUPLICATE, SOME_INSERTED):
        return answer.of(record, fault=reason)
    if answer.code == DUPLICATE or reason is not None:
        return answer.of(record, already=True)
    if answer.code in (OK, INSERTED) and not answer.listed and not answer.skipped:
        return answer.of(record)
    raise Nonsense("nothing is said of a record", code=answer.code, request_id=answer.request_id)


def _deleted(answer: _Answer, record: Record) -> Stored:
    fault = _grave(answer.skipped.get(record.remote_id or ""))
    return answer.of(record, already=answer.code == NOT_FOUND, fault=fault)


def _updated(answer: _Answer, record: Record) -> Stored:
    """The code of a success is not documented; that a record is missing has to be said."""
    reason = answer.skipped.get(record.remote_id or "")
    unlisted = answer.code == SOME_MISSING and record.remote_id not in answer.listed
    absent = reason is not None and reason.code == NOT_FOUND
    if answer.code == NOT_FOUND or absent or (unlisted and reason is None):
        return answer.of(record, missing=True)
    return answer.of(record, fault=reason)


def _grave(reason: XimilarError | None) -> XimilarError | None:
    """The reason why a record was not removed, unless it is that there was none."""
    return None if reason is None or reason.code == NOT_FOUND else reason


def _all_refused(fault: ItemFault, records: Sequence[Record]) -> list[Stored]:
    return [
        Stored(r.url, fault=fault, code=fault.code, request_id=fault.request_id, remote_id=r.remote_id)
        for r in records
    ]


def _read_page(response: Response) -> Page:
    document = envelope.document(response)
    code = envelope.body_code(document)
    entries = document.get("answer_records")
    if code == NOT_FOUND:  # past the last record, or none of those asked for
        return Page([], more=False)
    if code is None or not 200 <= code <= 299 or not isinstance(entries, list):
        raise failure(response, document)
    found = [held for entry in entries if (held := _held(entry)) is not None]
    return Page(found, more=bool(entries) and bool(document.get("next")))


def _held(entry: object) -> Held | None:
    record = envelope.mapping(entry)
    remote_id, url = fields.name(record.get("_id")), record.get("_url")
    if remote_id is None:
        return None
    metadata = {name: str(record[name]) for name in FIELDS if record.get(name) is not None}
    return Held(remote_id, url if isinstance(url, str) else None, metadata)


def _answer(response: Response, *, as_good: int) -> _Answer | ItemFault:
    """Read an answer that is a success or `as_good`. Raises what is the system's fault."""
    document = envelope.document(response)
    code = envelope.body_code(document)
    if code is None or not (200 <= code <= 299 or code == as_good):
        fault = failure(response, document)
        if not isinstance(fault, ItemFault):
            raise fault
        return fault
    skipped = _skipped(response, document)
    listed = (
        fields.name(envelope.mapping(entry).get("_id")) for entry in _entries(document, "answer_records")
    )
    return _Answer(code, envelope.request_id(document), frozenset(filter(None, listed)), skipped)


def _skipped(response: Response, document: Mapping[str, Any]) -> Mapping[str, XimilarError]:
    """{id: reason}. Raises a reason that is the system's fault: then the others are asked for again as well."""
    skipped: dict[str, XimilarError] = {}
    for entry in map(envelope.mapping, _entries(document, "skipped_records")):
        reason = envelope.mapping(entry.get("_reason"))
        said = reason if "status" in reason else {"status": dict(reason)}
        code = envelope.body_code(said)
        fault = (
            envelope.failure(response, said) if code is not None else ItemFault("skipped without a reason")
        )
        if isinstance(fault, SystemFault):
            raise fault
        remote_id = fields.name(entry.get("_id"))
        if remote_id is not None:
            skipped[remote_id] = fault
    return skipped


def failure(response: Response, document: Mapping[str, Any]) -> XimilarError:
    """Return the error that an answer about the collection stands for."""
    fault = envelope.failure(response, document)
    # Said before any record was looked at: it is not the photo that is at fault.
    if (
        isinstance(fault, ItemFault)
        and envelope.body_code(document) is None
        and "collection" in fault.text.lower()
    ):
        return Forbidden(fault.text, code=fault.code)
    return fault


def _entries(document: Mapping[str, Any], name: str) -> list[object]:
    found = document.get(name)
    return found if isinstance(found, list) else []
