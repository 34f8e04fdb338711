"""Every action leaves a row: who, when, what, with which parameters, and what came of it.

The row is written before the action begins and completed after it, each in a transaction of its own: an action
that was cut off is seen as one without a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from procrastinate_app import logs

from .staging import Staging

log = logs.get(__name__)


class Refused(Exception):
    """The action cannot be done as things stand; the message says why."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as what, and from where."""

    name: str
    role: str
    address: str


def perform(
    staging: Staging, actor: Actor, action: str, parameters: Mapping[str, Any], do: Callable[[], str]
) -> int:
    """Do it and return the id of its row. `do` returns the result in words, or raises Refused.

    Raises psycopg.Error where not even the row could be written.
    """
    audit_id = begin(staging, actor, action, parameters)
    try:
        ok, result = True, do()
    except Refused as refusal:
        ok, result = False, str(refusal)
    except psycopg.Error as error:
        log.error("action_failed", action=action, error=type(error).__name__)
        ok, result = False, f"failed in the database: {_reason(error)}"
    end(staging, audit_id, ok=ok, result=result)
    log.info("operator_acted", who=actor.name, action=action, ok=ok, result=result, **_flat(parameters))
    return audit_id


def begin(staging: Staging, actor: Actor, action: str, parameters: Mapping[str, Any]) -> int:
    """Write the row of an action that is about to begin, and return its id."""
    with staging.writing() as session:
        audit_id: int = session.value(
            "begin_audit",
            who=actor.name,
            role=actor.role,
            address=actor.address,
            action=action,
            parameters=json.dumps(parameters, default=str),
        )
    return audit_id


def end(staging: Staging, audit_id: int, *, ok: bool, result: str) -> None:
    """Write what came of an action."""
    with staging.writing() as session:
        session.run("end_audit", audit_id=audit_id, ok=ok, result=result)


def _reason(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "somebody else is enqueueing at the moment; try again in a minute"
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "it took too long; what was done in chunks before that stays done"
    return type(error).__name__


def _flat(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {f"on_{name}": value for name, value in parameters.items()}
