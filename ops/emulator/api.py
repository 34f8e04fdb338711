"""The resource all API calls share: token, rate limit, then the operation within one exchange."""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import falcon

from ops.emulator.exchange import Exchange
from ops.emulator.requestlog import CALL, Call, fingerprint
from ops.emulator.state import State

MAX_BODY_BYTES = 64 * 1024 * 1024
Document = dict[str, Any]
Operation = Callable[[State, Call, str, Document], Document]
"""State, the call, the server's origin ("http://host:port") and the request's body; returns the answer's.

Raises falcon.HTTPError when the request as a whole is refused.
"""


class ApiResource:
    """POST of one operation."""

    def __init__(self, state: State, operation: Operation) -> None:
        self._state = state
        self._operation = operation

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer as Ximilar would. Token before rate, rate before anything that costs."""
        call: Call = req.env[CALL]
        self._authenticate(req, call)
        self._limit(call)
        document, refusal = _read(req)
        _note(call, document)

        def effect() -> Document:
            if refusal is not None:
                raise refusal
            return self._operation(self._state, call, req.prefix, document)

        Exchange(self._state, req, resp, effect=effect).run(latency=self._state.settings.delay)

    def _authenticate(self, req: falcon.Request, call: Call) -> None:
        """Raises falcon.HTTPUnauthorized, worded as Django REST framework does."""
        scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
        if scheme != "Token" or not token:
            raise falcon.HTTPUnauthorized(description="Authentication credentials were not provided.")
        call.token = fingerprint(token)
        if not hmac.compare_digest(token.encode(), self._state.settings.token.encode()):
            raise falcon.HTTPUnauthorized(description="Invalid token.")
        call.api = True

    def _limit(self, call: Call) -> None:
        """Raises falcon.HTTPTooManyRequests with Retry-After."""
        retry_after = self._state.limiter.admit(call.arrived_monotonic, self._state.settings.rate)
        if retry_after is not None:
            raise falcon.HTTPTooManyRequests(description="Request was throttled.", retry_after=retry_after)


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
        document = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return {}, falcon.HTTPBadRequest(description="JSON parse error.")
    if not isinstance(document, dict):
        return {}, falcon.HTTPBadRequest(description="Invalid data. Expected a dictionary.")
    return document, None


def _refuse_constant(name: str) -> float:
    """NaN and Infinity are not JSON, though Python reads them."""
    raise ValueError(name)


def _note(call: Call, document: Document) -> None:
    """Put into the log whatever product and images the body names, however malformed the rest."""
    metadata, records = document.get("metadata"), document.get("records")
    if isinstance(metadata, dict) and isinstance(metadata.get("sku_id"), str):
        call.sku_id = metadata["sku_id"]
    images = [document.get("image")]
    if isinstance(records, list):
        images += [record.get("_url") for record in records if isinstance(record, dict)]
    call.urls = [image for image in images if isinstance(image, str)]
