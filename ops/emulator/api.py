"""The resource all API calls share: token, rate limit, then the operation within one exchange."""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import falcon

from ops.emulator.collection import product_of
from ops.emulator.exchange import Exchange
from ops.emulator.requestlog import CALL, Call, fingerprint
from ops.emulator.state import State

MAX_BODY_BYTES = 64 * 1024 * 1024
Document = dict[str, Any]
COLLECTION_HEADER = "collection-id"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says: its body, the server's origin ("http://host:port"), collection and query string."""

    document: Document
    origin: str
    collection: str | None
    """Of the header `collection-id`."""
    params: Mapping[str, Any]


Operation = Callable[[State, Call, Asked], Document]
"""State, the call and what it asks; returns the answer's body.

Raises falcon.HTTPError when the request as a whole is refused.
"""


class _Resource:
    """One operation behind the token and the rate limit."""

    def __init__(self, state: State, operation: Operation) -> None:
        self._state = state
        self._operation = operation

    def _serve(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer as Ximilar would. Token before rate, rate before anything that costs."""
        call: Call = req.env[CALL]
        self._authenticate(req, call)
        self._limit(call)
        document, refusal = _read(req)
        _note(call, document)
        asked = Asked(document, req.prefix, req.get_header(COLLECTION_HEADER), req.params)

        def effect() -> Document:
            if refusal is not None:
                raise refusal
            return self._operation(self._state, call, asked)

        Exchange(self._state, req, resp, effect=effect).run(latency=self._state.settings.delay)

    def _authenticate(self, req: falcon.Request, call: Call) -> None:
        """Raises falcon.HTTPError, worded as Django REST framework does."""
        scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
        if scheme != "Token" or not token:
            self._refuse("Authentication credentials were not provided.")
        call.token = fingerprint(token)
        if not hmac.compare_digest(token.encode(), self._state.settings.token.encode()):
            self._refuse("Invalid token.")
        call.api = True

    def _refuse(self, description: str) -> NoReturn:
        raise falcon.HTTPError(self._state.settings.token_status, description=description)

    def _limit(self, call: Call) -> None:
        """Raises falcon.HTTPTooManyRequests with Retry-After."""
        retry_after = self._state.limiter.admit(call.arrived_monotonic, self._state.settings.rate)
        if retry_after is not None:
            raise falcon.HTTPTooManyRequests(description="Request was throttled.", retry_after=retry_after)


class ApiResource(_Resource):
    """POST of one operation."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Authenticate, count, carry out."""
        self._serve(req, resp)


class ReadResource(_Resource):
    """GET of one operation."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Authenticate, count, carry out."""
        self._serve(req, resp)


class PingResource(ApiResource, ReadResource):
    """GET or POST of one operation."""


def envelope(code: int, text: str, call: Call, **content: Any) -> Document:
    """An answer's body: the content, then status and statistics as Ximilar's documentation has them."""
    seconds = round(time.monotonic() - call.arrived_monotonic, 4)
    status = {"code": code, "text": text, "request_id": uuid.uuid4().hex}
    return {**content, "status": status, "statistics": {"processing time": seconds}}


def _read(req: falcon.Request) -> tuple[Document, falcon.HTTPError | None]:
    """The body, or an empty one and the refusal: a fault may still be meant for a malformed call."""
    raw = req.bounded_stream.read(MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        return {}, falcon.HTTPContentTooLarge(description="Request body is too large.")
    try:
        document = json.loads(raw, parse_constant=_refuse_constant) if raw else {}
    except (ValueError, RecursionError):
        return {}, falcon.HTTPBadRequest(description="JSON parse error.")
    if not isinstance(document, dict):
        return {}, falcon.HTTPBadRequest(description="Invalid data. Expected a dictionary.")
    return document, None


def _refuse_constant(name: str) -> float:
    """NaN and Infinity are not JSON, though Python reads them."""
    raise ValueError(name)


def _note(call: Call, document: Document) -> None:
    """Put into the log whatever products and images the body names, however malformed the rest."""
    listed = document.get("records")
    found = [*(listed if isinstance(listed, list) else ()), document.get("query_record")]
    records = [record for record in found if isinstance(record, dict)]
    described = [document.get("metadata"), *records]
    skus = [product_of(metadata) for metadata in described if isinstance(metadata, dict)]
    call.sku_ids = list(dict.fromkeys(sku for sku in skus if sku is not None))
    call.record_ids = [record["_id"] for record in records if isinstance(record.get("_id"), str | int)]
    images = [document.get("image"), *(record.get("_url") for record in records)]
    call.urls = [image for image in images if isinstance(image, str)]
