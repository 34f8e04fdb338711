"""Profile `recognition`: Ximilar as the two old servers called it.

The calls' bodies are known from those servers; the answers' exact shape is written down nowhere, so every
field is read as if it might be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from . import envelope, fields
from .answers import Candidate, Item, Photo, Record, Stored, Tags, one_per_sku
from .calls import Call, Request, Response
from .errors import ItemFault

ALREADY_THERE = 411
NOT_THERE = 404


@dataclass(frozen=True, slots=True)
class Recognition:
    """`collection_id` names the visual-search collection, `task_id` (may be empty) the classification."""

    collection_id: str
    task_id: str = ""
    name: str = "recognition"
    batch: int = 1
    keyed: ClassVar[None] = None
    remove_is_proven: ClassVar[bool] = False
    credits: ClassVar[None] = None
    gives_crops: ClassVar[bool] = True

    def store(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Store one photo (`collectImage`)."""
        (record,) = records
        body = {**self._photo(record), "metadata": dict(record.metadata)}
        return Call("store", _post("collectImage", body), lambda r: [_stored(r, record, ALREADY_THERE)])

    def remove(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Remove one photo (`collectRemove`); that it was not there is as good."""
        (record,) = records
        sku = {name: said for name, said in record.metadata.items() if name == "sku_id"}
        body = {**self._photo(record), "metadata": sku}
        return Call("remove", _post("collectRemove", body), lambda r: [_stored(r, record, NOT_THERE)])

    def detect(self, url: str) -> Call[list[Item]]:
        """Find the garments on a photo."""
        return Call("detect", _post("detect", _records(Photo(url))), _read_items)

    def tag(self, photos: Sequence[Photo]) -> Sequence[Call[list[Tags | None]]]:
        """Name type, colour, material and pattern of the garment on one photo (`classify`)."""
        (photo,) = photos
        body = {**_records(photo), **({"task_id": self.task_id} if self.task_id else {})}
        return (Call("tag", _post("classify", body), _read_tags),)

    def search(self, photo: Photo, top_k: int, _category: str | None = None) -> Call[list[Candidate]]:
        """Find up to `top_k` photos of the collection that look like this one, as one candidate a SKU.

        This API filters by nothing, so the category goes unheard.
        """
        body = {**_records(photo), "collection_id": self.collection_id, "k": top_k}
        return Call("search", _post("visualSearch", body), _read_candidates)

    def _photo(self, record: Record) -> dict[str, Any]:
        return {"collection_id": self.collection_id, "image": record.url}


def _post(method: str, body: Mapping[str, Any]) -> Request:
    return Request("POST", f"/recognition/v2/{method}", body)


def _records(photo: Photo) -> dict[str, Any]:
    return {"records": [photo.as_record()]}


def _stored(response: Response, record: Record, as_good: int) -> Stored:
    """Read the answer for one photo; `as_good` is the code that means there was nothing left to do."""
    answer = envelope.document(response)
    code = envelope.body_code(answer)
    request_id = envelope.request_id(answer)
    if code is not None and (200 <= code <= 299 or code == as_good):
        return Stored(record.url, already=code == as_good, code=code, request_id=request_id)
    fault = envelope.failure(response, answer)
    if isinstance(fault, ItemFault):
        return Stored(record.url, fault=fault, code=fault.code, request_id=request_id)
    raise fault


def _read_items(response: Response) -> list[Item]:
    return [_item(found) for found in fields.objects(_record(response).get("_objects"))]


def _item(found: Mapping[str, Any]) -> Item:
    return Item(
        crop_url=fields.text(found.get("crop_url")),
        bbox=fields.box(found.get("bound_box")),
        category=fields.text(found.get("name")),
        confidence=fields.unit(found.get("prob")),
    )


def _read_tags(response: Response) -> list[Tags | None]:
    record = _record(response)
    features = envelope.mapping(record.get("_tags"))
    kind = fields.best(features.get("Type")) or envelope.mapping(record.get("best_label"))
    color = fields.best(features.get("Color"))
    name = fields.text(kind.get("name"))
    tags = Tags(
        type=name and name.lower().replace(" ", "_"),
        color=fields.text(color.get("name")),
        color_hex=fields.text(color.get("hex")),
        material=fields.text(fields.best(features.get("Material")).get("name")),
        pattern=fields.text(fields.best(features.get("Pattern")).get("name")),
    )
    return [tags]


def _read_candidates(response: Response) -> list[Candidate]:
    answer = envelope.success(response)
    found = [_candidate(record) for record in fields.objects(answer.get("answer_records"))]
    return one_per_sku(candidate for candidate in found if candidate.sku_id)


def _candidate(record: Mapping[str, Any]) -> Candidate:
    metadata = envelope.mapping(record.get("metadata"))
    return Candidate(
        sku_id=fields.name(record.get("sku_id")) or fields.name(metadata.get("sku_id")) or "",
        score=fields.unit(record.get("score")) or 0.0,
        image_urls=fields.texts(record.get("image_urls")),
        metadata=metadata,
    )


def _record(response: Response) -> Mapping[str, Any]:
    """The one record of an answer about one photo. Raises what its own status stands for."""
    record = fields.records(response)[0]
    fault = fields.fault(response, record)
    if fault is not None:
        raise fault
    return record
