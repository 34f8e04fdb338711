"""The account: whether a service is allowed, and how many credits are left. Both cost nothing."""

from __future__ import annotations

import uuid

import falcon

from ops.emulator.api import ApiResource, Asked, Document, ReadResource
from ops.emulator.requestlog import Call
from ops.emulator.state import State

SERVICES = frozenset({"fashion-tagging", "fashion-similarity", "fashion-search", "dominant-colors"})
WORKSPACE = str(uuid.UUID(int=1))
USER_ID = 1


def routes(state: State) -> dict[str, object]:
    """The resources by path; the trailing slash of the documents makes no difference here."""
    return {
        "/authorization/v2/authorize": ApiResource(state, authorize),
        "/account/v2/details": ReadResource(state, details),
    }


def authorize(_state: State, _call: Call, asked: Asked) -> Document:
    """Whether the account may use a service; those it may not are refused with 403."""
    if asked.document.get("service") not in SERVICES:
        raise falcon.HTTPForbidden(description="You are not allowed to access this service.")
    return {"user_id": USER_ID}


def details(state: State, _call: Call, _asked: Asked) -> Document:
    """The credits left and the month's allowance."""
    allowance = state.settings.credits
    return {
        "credits_counter": max(0, allowance - sum(state.credits.used().values())),
        "credits_limit": allowance,
        "default_workspace": WORKSPACE,
    }
