"""What can go wrong with a call to Ximilar, sorted by what the caller can do about it.

    XimilarError                   .cause .code .text .request_id
    ├─ ItemFault                   this photo is refused; the same photo will be refused again
    └─ SystemFault                 nobody's photo is at fault
       ├─ AccountFault             everybody has to stop       .retry_after
       │  ├─ TokenRefused          401
       │  ├─ CreditExhausted       402
       │  ├─ Forbidden             403
       │  ├─ CollectionFull        412
       │  ├─ PathUnknown           HTTP 404 or 405 without a body code: wrong profile?
       │  └─ RateLimited           429, with Retry-After where it was given
       └─ Unavailable              not now
          ├─ NotSent               no connection was made; always safe to repeat
          ├─ NoAnswer              sent, then the line broke; it may have happened
          │  └─ TimedOut           sent, then silence until the deadline
          ├─ ServerFault           5xx
          └─ Nonsense              an answer that is none: not JSON, no code, too large, a redirect

`cause` is a constant word, safe as a metric label. `text` is Ximilar's own words, for operators only.
"""

from __future__ import annotations

from typing import ClassVar

TEXT_LIMIT = 300


class XimilarError(Exception):
    """A call to Ximilar failed.

    `code` is the status code that decided (the body's where there is one, else HTTP's, else None), `text` what
    came with it, on one line, without NUL (Postgres takes none) and cut at 300 characters, `request_id` Ximilar's
    own, for its support.
    """

    cause: ClassVar[str] = "error"

    def __init__(self, text: str = "", *, code: int | None = None, request_id: str | None = None) -> None:
        self.text = " ".join(text.replace("\0", " ").split())[:TEXT_LIMIT]
        self.code = code
        self.request_id = request_id
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """One line for an operator: the code, if any, then the text or the cause."""
        words = self.text or self.cause.replace("_", " ")
        return words if self.code is None else f"{self.code} {words}"


class ItemFault(XimilarError):
    """Ximilar refused this photo."""

    cause = "refused"


class SystemFault(XimilarError):
    """The account, the network or Ximilar itself is in trouble; the photo is not at fault."""


class AccountFault(SystemFault):
    """Nobody can call with success until something changes; `retry_after` in seconds where Ximilar said."""

    def __init__(
        self,
        text: str = "",
        *,
        code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text, code=code, request_id=request_id)
        self.retry_after = retry_after


class TokenRefused(AccountFault):
    """401: the token is wrong or revoked."""

    cause = "token_refused"


class CreditExhausted(AccountFault):
    """402: no credit left."""

    cause = "credit_exhausted"


class Forbidden(AccountFault):
    """403: the plan or the token does not allow this service or collection."""

    cause = "forbidden"


class CollectionFull(AccountFault):
    """412: the collection has reached its capacity."""

    cause = "collection_full"


class PathUnknown(AccountFault):
    """HTTP 404 or 405 without a body code: this address serves no such call; the profile may be wrong."""

    cause = "path_unknown"


class RateLimited(AccountFault):
    """429: too many requests."""

    cause = "rate_limited"


class Unavailable(SystemFault):
    """No usable answer this time."""

    cause = "unavailable"


class NotSent(Unavailable):
    """No connection was made (DNS, refused, TLS, connect timeout), so nothing was sent."""

    cause = "not_sent"


class NoAnswer(Unavailable):
    """The request left, then the connection broke; Ximilar may have acted on it."""

    cause = "no_answer"


class TimedOut(NoAnswer):
    """The request left, then nothing (or not everything) came before the deadline."""

    cause = "timed_out"


class ServerFault(Unavailable):
    """5xx."""

    cause = "server_fault"


class Nonsense(Unavailable):
    """An answer that is not one of Ximilar's."""

    cause = "nonsense"
