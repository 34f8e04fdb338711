"""Every answer that is not a success: RFC 9457 problem details, and what each error of Ximilar's becomes.

Nothing of Ximilar's own words is in them; those are for the log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from procrastinate_app.ximilar import errors

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer to give in place of the one asked for.

    `code` is a constant word for programs, `detail` a sentence for people, `field` the part of the body at
    fault, `retry_after` in seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))

    def body(self, request_id: str) -> bytes:
        """Return the problem as JSON."""
        return msgspec.json.encode(self.members(request_id))

    def members(self, request_id: str) -> dict[str, object]:
        """Return the members of the problem object."""
        found: dict[str, object] = {
            "type": f"urn:ximilar-gateway:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if self.field is not None:
            found["field"] = self.field
        return found


class TooBusy(errors.Unavailable):
    """This process has as many calls in flight or waiting as it may."""

    cause = "too_busy"


class BreakerOpen(errors.Unavailable):
    """Ximilar has failed so often of late that it is left alone for `seconds` more."""

    cause = "breaker_open"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


BAD_GATEWAY: Mapping[type[errors.XimilarError], str] = {
    errors.TokenRefused: "Ximilar refused this gateway's token, or it has none.",
    errors.CreditExhausted: "This gateway's account at Ximilar has no credit left.",
    errors.Forbidden: "This gateway's account at Ximilar may not make this call.",
    errors.CollectionFull: "The collection at Ximilar is full.",
    errors.PathUnknown: "Ximilar does not know this call.",
    errors.Nonsense: "Ximilar's answer could not be understood.",
}
UNAVAILABLE: Mapping[type[errors.XimilarError], str] = {
    errors.RateLimited: "Ximilar takes no more requests at the moment.",
    errors.NotSent: "No connection to Ximilar could be made.",
    errors.NoAnswer: "The connection to Ximilar broke.",
    errors.ServerFault: "Ximilar has a fault.",
    TooBusy: "This gateway has too many requests in progress.",
    BreakerOpen: "Ximilar has failed too often of late and is left alone for a moment.",
}
RETRY_SECONDS = 2.0


def from_error(error: errors.XimilarError, field: str) -> Problem:
    """Return the problem for an error of the tree; `field` is the part of the body that holds the address."""
    kind = type(error)
    if isinstance(error, errors.ItemFault):
        return Problem(422, error.cause, "Ximilar cannot read this photo.", field=field)
    if isinstance(error, errors.TimedOut):
        return Problem(504, error.cause, "Ximilar did not answer in time.")
    if kind in BAD_GATEWAY:
        return Problem(502, error.cause, BAD_GATEWAY[kind])
    detail = UNAVAILABLE.get(kind, "Ximilar is not available.")
    return Problem(503, error.cause, detail, retry_after=_retry_after(error))


def no_collection() -> Problem:
    """Return the problem of a search without XIMILAR_COLLECTION_ID."""
    return Problem(502, "no_collection", "This gateway has no collection to search in.")


def _retry_after(error: errors.XimilarError) -> float:
    if isinstance(error, BreakerOpen):
        return error.seconds
    if isinstance(error, TooBusy):
        return 1.0
    return getattr(error, "retry_after", None) or RETRY_SECONDS
