"""Reads the envelope every answer of Ximilar comes in, and sorts what is not a success.

The body's `status.code` decides where there is one, else the HTTP status; the codes are Ximilar's published
set. Pure functions over bytes, none of which raises but `success`.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from .calls import Response
from .errors import (
    AccountFault,
    CollectionFull,
    CreditExhausted,
    Forbidden,
    ItemFault,
    Nonsense,
    PathUnknown,
    RateLimited,
    ServerFault,
    TokenRefused,
    XimilarError,
)

RETRY_AFTER_MIN = 1.0
RETRY_AFTER_MAX = 300.0

_SURROGATE = re.compile("[\ud800-\udfff]")

ACCOUNT_FAULTS: Mapping[int, type[AccountFault]] = {
    401: TokenRefused,
    402: CreditExhausted,
    403: Forbidden,
    412: CollectionFull,
    429: RateLimited,
}


def document(response: Response) -> dict[str, Any]:
    """Return the answer's JSON object, or {} where the body is something else. Never raises.

    What it returns can be written as strict JSON again: no NaN, no infinity, no half of a surrogate pair.
    """
    try:
        parsed = msgspec.json.decode(response.body)
    except RecursionError:
        return {}
    except (msgspec.DecodeError, ValueError):
        parsed = _read_leniently(response.body)
    return parsed if isinstance(parsed, dict) else {}


def body_code(answer: Mapping[str, Any]) -> int | None:
    """Return `status.code` as an int, or None. `status` may be the bare code, a code may be a string."""
    status = answer.get("status")
    return whole(status.get("code")) if isinstance(status, dict) else whole(status)


def request_id(answer: Mapping[str, Any]) -> str | None:
    """Return Ximilar's id of the request, for its support."""
    found = mapping(answer.get("status")).get("request_id")
    return found.replace("\0", " ")[:100] if isinstance(found, str) else None  # Postgres takes no NUL


def success(response: Response) -> dict[str, Any]:
    """Return the answer of a call that asks; raise what a failed one stands for.

    A missing `status` is forgiven where HTTP says 2xx and the answer has its list: fields may be missing.
    """
    answer = document(response)
    code = body_code(answer)
    if code is not None and 200 <= code <= 299:
        return answer
    listed = isinstance(answer.get("records"), list) or isinstance(answer.get("answer_records"), list)
    if code is None and "status" not in answer and 200 <= response.status <= 299 and listed:
        return answer
    raise failure(response, answer)


def failure(response: Response, answer: Mapping[str, Any]) -> XimilarError:
    """Return the error that an answer which is no success stands for."""
    code = body_code(answer)
    kind = _kind_by_http_status(response.status) if code is None else _kind_by_body_code(code)
    error = kind(_text(answer), code=response.status if code is None else code, request_id=request_id(answer))
    if isinstance(error, AccountFault):
        error.retry_after = retry_after(response.headers)
    return error


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return Retry-After in seconds within 1..300, or None if absent or unreadable (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    seconds = _seconds(value, time.time() if now is None else now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, RETRY_AFTER_MIN), RETRY_AFTER_MAX)


def whole(value: object) -> int | None:
    """Return a whole number from an int, a whole float or digits in a string, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) and abs(value) < 1e9 and value == int(value):
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _kind_by_body_code(code: int) -> type[XimilarError]:
    if code in ACCOUNT_FAULTS:
        return ACCOUNT_FAULTS[code]
    return ServerFault if 500 <= code <= 599 else ItemFault


def _kind_by_http_status(status: int) -> type[XimilarError]:
    if status in (404, 405):
        return PathUnknown
    if status in ACCOUNT_FAULTS:
        return ACCOUNT_FAULTS[status]
    if 400 <= status <= 499:
        return ItemFault
    return ServerFault if status >= 500 else Nonsense


def _text(answer: Mapping[str, Any]) -> str:
    """Ximilar's own words: `status.text`, or the `detail` of its framework, which may refuse first."""
    for said in (mapping(answer.get("status")).get("text"), answer.get("detail")):
        if isinstance(said, str) and said:
            return said
    return ""


def _seconds(value: str, now: float) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _read_leniently(body: bytes) -> Any:
    """Read what strict JSON refuses and some writers send: NaN, lone surrogates, endless numbers."""
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        parsed = json.loads(text, parse_int=_whole_number, parse_float=_finite, parse_constant=lambda _: None)
        return _without_surrogates(parsed)
    except (ValueError, RecursionError):
        return None


def _whole_number(digits: str) -> int | None:
    # Python refuses to parse integers of over 4,300 digits, and would fail the whole answer for one.
    return int(digits) if len(digits) <= 30 else None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if _SURROGATE.search(value) else value
    if isinstance(value, list):
        return [_without_surrogates(inner) for inner in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(inner) for key, inner in value.items()}
    return value
