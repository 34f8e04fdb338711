"""The account behind the token: how many credits are left. Asking is free of charge.

As Ximilar's pages "quickstart" and "platform/user" have it.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import envelope
from .calls import Call, Request, Response


@dataclass(frozen=True, slots=True)
class Credits:
    """Credits `left` now, and the `limit` of the month where it is said."""

    left: int
    limit: int | None = None


def credits_call() -> Call[Credits]:
    """Ask how many credits are left. Its reader raises the errors of `errors`."""
    return Call("credits", Request("GET", "/account/v2/details/", {}), _read)


def _read(response: Response) -> Credits:
    answer = envelope.document(response)
    left = envelope.whole(answer.get("credits_counter"))
    if response.status != 200 or left is None:
        raise envelope.failure(response, answer)
    return Credits(left, envelope.whole(answer.get("credits_limit")))
