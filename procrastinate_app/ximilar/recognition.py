"""Profile `recognition`: Ximilar as the two old servers called it.

The calls' bodies are known from those servers; the answers' exact shape is written down nowhere, so every
field is read as if it might be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from . import envelope
from .answers import Candidate, Item, Record, Stored, Tags, one_per_sku
from .calls import Call, Request, Response
from .errors import ItemFault, Nonsense

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
        return Call("detect", _post("detect", _records(url)), _read_items)

    def tag(self, url: str) -> Call[Tags]:
        """Name type, colour, material and pattern of the garment on a photo (`classify`)."""
        body = {**_records(url), **({"task_id": self.task_id} if self.task_id else {})}
        return Call("tag", _post("classify", body), _read_tags)

    def search(self, url: str, top_k: int) -> Call[list[Candidate]]:
        """Find up to `top_k` photos of the collection that look like this one, as one candidate a SKU."""
        body = {**_records(url), "collection_id": self.collection_id, "k": top_k}
        return Call("search", _post("visualSearch", body), _read_candidates)

    def _photo(self, record: Record) -> dict[str, Any]:
        return {"collection_id": self.collection_id, "image": record.url}


def _post(method: str, body: Mapping[str, Any]) -> Request:
    return Request("POST", f"/recognition/v2/{method}", body)


def _records(url: str) -> dict[str, Any]:
    return {"records": [{"_url": url}]}


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
    record = _first_record(response)
    return [_item(found) for found in _objects(record.get("_objects"))]


def _item(found: Mapping[str, Any]) -> Item:
    return Item(
        crop_url=_text(found.get("crop_url")),
        bbox=_box(found.get("bound_box")),
        category=_text(found.get("name")),
        confidence=_unit(found.get("prob")),
    )


def _read_tags(response: Response) -> Tags:
    record = _first_record(response)
    features = envelope.mapping(record.get("_tags"))
    kind = _best(features.get("Type")) or envelope.mapping(record.get("best_label"))
    color = _best(features.get("Color"))
    name = _text(kind.get("name"))
    return Tags(
        type=name and name.lower().replace(" ", "_"),
        color=_text(color.get("name")),
        color_hex=_text(color.get("hex")),
        material=_text(_best(features.get("Material")).get("name")),
        pattern=_text(_best(features.get("Pattern")).get("name")),
    )


def _read_candidates(response: Response) -> list[Candidate]:
    answer = _success(response)
    found = [_candidate(record) for record in _objects(answer.get("answer_records"))]
    return one_per_sku(candidate for candidate in found if candidate.sku_id)


def _candidate(record: Mapping[str, Any]) -> Candidate:
    metadata = envelope.mapping(record.get("metadata"))
    sku = _name(record.get("sku_id")) or _name(metadata.get("sku_id")) or ""
    urls = record.get("image_urls")
    return Candidate(
        sku_id=sku,
        score=_unit(record.get("score")) or 0.0,
        image_urls=[url for url in urls if isinstance(url, str)] if isinstance(urls, list) else [],
        metadata=metadata,
    )


def _success(response: Response) -> Mapping[str, Any]:
    """Return the answer of a call that asks; raise what a failed one stands for.

    A missing `status` is forgiven where HTTP says 2xx and the answer has its list: fields may be missing.
    """
    answer = envelope.document(response)
    code = envelope.body_code(answer)
    if code is not None and 200 <= code <= 299:
        return answer
    listed = isinstance(answer.get("records"), list) or isinstance(answer.get("answer_records"), list)
    if code is None and "status" not in answer and 200 <= response.status <= 299 and listed:
        return answer
    raise envelope.failure(response, answer)


def _first_record(response: Response) -> Mapping[str, Any]:
    answer = _success(response)
    records = _objects(answer.get("records"))
    if not records:
        raise Nonsense("an answer without records", request_id=envelope.request_id(answer))
    own = envelope.mapping(records[0].get("_status"))
    code = envelope.whole(own.get("code"))
    if code is not None and not 200 <= code <= 299:
        raise envelope.failure(response, {"status": own})
    return records[0]


def _best(feature: object) -> Mapping[str, Any]:
    found = _objects(feature)
    return max(found, key=lambda tag: _unit(tag.get("prob")) or 0.0) if found else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _name(value: object) -> str | None:
    """An identifier, which a JSON writer may have turned into a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _unit(value: object) -> float | None:
    """A number clamped to 0..1, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(min(max(value, 0), 1))


def _box(value: object) -> list[int | float]:
    """[x1, y1, x2, y2], or an empty list where the box is not four numbers."""
    if not isinstance(value, list) or len(value) != 4:
        return []
    numbers = [side for side in value if isinstance(side, int | float) and not isinstance(side, bool)]
    return numbers if len(numbers) == 4 and all(abs(side) < 1e9 for side in numbers) else []
