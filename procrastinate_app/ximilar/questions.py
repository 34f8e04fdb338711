"""Raw calls of the documented API, for finding out what its documents leave open.

Their reader raises nothing: whatever comes back is the answer. Which `_id` a question is about is chosen by the
caller, who must delete what was inserted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import envelope, fashion, fashion_vision, fields
from .calls import Call, Request, Response
from .fashion_collection import FashionRecords

SERVICES = ("fashion-tagging", "fashion-similarity", "dominant-colors")
RECOGNITION_METHODS = ("collectImage", "collectRemove", "detect", "classify", "visualSearch")
TOO_MANY = 11  # one more than Ximilar's pages allow
TURNED_AWAY = (401, 402, 403, 429)
UNREADABLE = "https://photo.invalid/none.jpg"  # RFC 2606: no such name will ever exist


@dataclass(frozen=True, slots=True)
class Said:
    """What came back, whatever it means.

    `code` and `text` are the body's; `detail` says that its framework refused before the method ran. `ids`,
    `distances` and `kept` (metadata of the first record) are of the records answered, `skipped` is {id: code of the
    reason}, `analysed` how many records have a status, `names` the keys of the dominant colours, `more`
    that there is a next page.
    """

    http: int
    code: int | None = None
    text: str = ""
    detail: bool = False
    ids: tuple[str, ...] = ()
    distances: tuple[float, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)
    skipped: Mapping[str, int | None] = field(default_factory=dict)
    analysed: int = 0
    names: tuple[str, ...] = ()
    more: bool = False
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the method did what was asked."""
        return 200 <= (self.http if self.code is None else self.code) <= 299

    @property
    def path_is_there(self) -> bool:
        """Whether something answers at this path; a method's own 404 comes with a code in the body."""
        return not self.turned_away and (self.code is not None or self.http not in (404, 405))

    @property
    def turned_away(self) -> bool:
        """Whether the account or the server was in trouble: that tells nothing about what was asked."""
        code = self.http if self.code is None else self.code
        return code >= 500 or code in TURNED_AWAY


@dataclass(frozen=True, slots=True)
class Questions:
    """Calls for one collection, whose methods are below `path`."""

    collection_id: str
    path: str = fashion.COLLECTION_PATH

    def insert(self, records: Mapping[str, str], **metadata: str) -> Call[Said]:
        """Insert photos, {id: URL}, all with this metadata."""
        listed = [{"_id": name, "_url": url, **metadata} for name, url in records.items()]
        return self._ask("insert", {"records": listed, "fields_to_return": ["_id"]})

    def get(self, *ids: str) -> Call[Said]:
        """Read records with all their fields."""
        return self._ask("get", {"records": _named(ids), "fields_to_return": ["*"]})

    def update(self, record_id: str, **metadata: str | None) -> Call[Said]:
        """Change metadata of a record; None is sent as null."""
        return self._ask("update", {"records": [{"_id": record_id, **metadata}], "fields_to_return": ["*"]})

    def delete(self, *ids: str) -> Call[Said]:
        """Delete records."""
        return self._ask("delete", {"records": _named(ids)})

    def first_page(self) -> Call[Said]:
        """List the first record of the collection."""
        return self._ask("allRecords?size=1&page=1", {"fields_to_return": ["_id"]})

    def page(self, number: int) -> Call[Said]:
        """List a page as a comparison with the collection does."""
        listing = FashionRecords(self.path, self.collection_id).page(number)
        return Call("ask", listing.request, _read)

    def search(self, method: str, k: int, *, record_id: str = "", url: str = "") -> Call[Said]:
        """Search by a record of the collection, or by a photo."""
        query = {"_id": record_id} if record_id else {"_url": url}
        return self._ask(method, {"query_record": query, "k": k, "fields_to_return": ["_id"]})

    def _ask(self, method: str, body: Mapping[str, Any]) -> Call[Said]:
        headers = {"collection-id": self.collection_id}
        return Call("ask", Request("POST", f"{self.path}/{method}", body, headers), _read)


def authorize(service: str) -> Call[Said]:
    """Ask whether the account may use a service."""
    return _post("/authorization/v2/authorize", {"service": service, "call_type": "authenticate"})


def details() -> Call[Said]:
    """Ask for the account; with a wrong token it says how one is refused."""
    return Call("ask", Request("GET", "/account/v2/details/", {}), _read)


def detect(*urls: str) -> Call[Said]:
    """Find garments on photos."""
    return _post(f"{fashion_vision.TAGGING}/detect", {"records": [{"_url": url} for url in urls]})


def colors(url: str) -> Call[Said]:
    """Measure the dominant colours of a photo."""
    return _post(fashion_vision.COLORS, {"records": [{"_url": url}]})


def recognition(method: str, collection_id: str) -> Call[Said]:
    """Knock at a path of profile `recognition`; without a record nothing can happen there."""
    return _post(f"/recognition/v2/{method}", {"collection_id": collection_id})


def _post(path: str, body: Mapping[str, Any]) -> Call[Said]:
    return Call("ask", Request("POST", path, body), _read)


def _named(ids: Sequence[str]) -> list[dict[str, str]]:
    return [{"_id": name} for name in ids]


def _read(response: Response) -> Said:
    answer = envelope.document(response)
    listed, records = fields.objects(answer.get("answer_records")), fields.objects(answer.get("records"))
    detail, text = answer.get("detail"), envelope.mapping(answer.get("status")).get("text")
    colours = envelope.mapping(records[0].get("_dominant_colors")) if records else {}
    return Said(
        http=response.status,
        code=envelope.body_code(answer),
        text=" ".join(str(text or detail or "").split())[:200],
        detail=isinstance(detail, str),
        ids=tuple(str(record.get("_id")) for record in listed),
        distances=_numbers(answer.get("answer_distances")),
        kept={name: value for name, value in listed[0].items() if not name.startswith("_")} if listed else {},
        skipped=dict(_skipped(record) for record in fields.objects(answer.get("skipped_records"))),
        analysed=sum("_status" in record for record in records),
        names=tuple(map(str, colours)),
        more=bool(answer.get("next")),
        retry_after=envelope.retry_after(response.headers),
    )


def _skipped(record: Mapping[str, Any]) -> tuple[str, int | None]:
    return str(record.get("_id")), envelope.body_code(envelope.mapping(record.get("_reason")))


def _numbers(value: object) -> tuple[float, ...]:
    found = value if isinstance(value, list) else []
    return tuple(float(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool))
