"""How many credits the account has left, by the token of the settings; asking is free."""

from __future__ import annotations

from .settings import Settings
from .ximilar import profiles
from .ximilar.account import Credits
from .ximilar.requests_transport import RequestsTransport


def can_ask(settings: Settings) -> bool:
    """Whether there is a token, and a call of the profile's to ask with."""
    return bool(settings.token) and profiles.make(settings).credits is not None


def ask(settings: Settings, *, seconds: float) -> Credits | None:
    """Ask within so many seconds; None where nobody can. Raises XimilarError.

    A connection each time: it is done so seldom that an idle one would be stale.
    """
    call = profiles.make(settings).credits
    if call is None or not settings.token:
        return None
    with RequestsTransport(settings.api_url, settings.token, connections=1, deadline=seconds) as transport:
        return transport.send(call)
