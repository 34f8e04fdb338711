"""The candidates for removal: a list by state and reason, what is held, and its application."""

from __future__ import annotations

from typing import Any

import falcon

from .. import actions, candidates, phrases
from ..desk import Desk, ask, form, now
from ..filters import REMOVAL_STATES, RemovalFilter, whole
from ..staging import MAX_ID, Row, Session

PAGE = 50
CAP = 10_001
COUNT_SECONDS = 20.0


class RemovalsResource:
    """GET /removals"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        chosen = RemovalFilter.read(req.params)
        below = whole(req.params, "below", MAX_ID)
        settings = self._desk.settings
        with self._desk.staging.reading() as session:
            held = session.one("removals_held")
            facts = _facts(session, held, chosen, below, settings.guard.debounce)
            job = session.one("applying_job")
        confirmed = facts.pop("confirmed")
        self._desk.page(
            req,
            resp,
            "removals.html",
            **facts,
            chosen=chosen,
            held=held,
            job=job,
            outlook=candidates.outlook(
                held, confirmed, settings.guard, now(), may_remove=settings.may_remove
            ),
            first=below == MAX_ID,
            states=REMOVAL_STATES,
            reasons=phrases.ABSENCES,
            cap=CAP,
        )


class ApplyResource:
    """GET /removals/apply shows what would be removed; POST queues it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        settings = self._desk.settings
        with self._desk.staging.reading(seconds=COUNT_SECONDS) as session:
            held = session.one("removals_held")
            confirmed = _confirmed(session, held, settings.guard.debounce)
            job = session.one("applying_job")
        self._desk.page(
            req,
            resp,
            "apply.html",
            held=held,
            confirmed=confirmed,
            job=job,
            may_remove=settings.may_remove,
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        most, settings = whole(form(req), "most", 0), self._desk.settings
        self._desk.act(
            req,
            "/removals",
            "apply removals",
            lambda: actions.apply_removals(
                self._desk.staging,
                most,
                may_remove=settings.may_remove,
                debounce=settings.guard.debounce,
            ),
            most=most,
        )


def _facts(
    session: Session, held: Row | None, chosen: RemovalFilter, below: int, debounce: int
) -> dict[str, Any]:
    """The page of candidates of the collection that was compared last, and their counts."""
    if held is None:
        return {"rows": [], "older": None, "counts": {}, "confirmed": 0}
    where = {**_where(held), "reason": chosen.reason, "debounce": debounce}
    counts = ask(session, lambda: session.all("removal_states", cap=CAP, **where))
    rows = ask(
        session,
        lambda: session.all("removals_page", state=chosen.state, below=below, limit=PAGE + 1, **where),
    )
    return {
        "rows": None if rows is None else rows[:PAGE],
        "older": rows[PAGE - 1]["product_id"] if rows and len(rows) > PAGE else None,
        "counts": {row["state"]: row["products"] for row in counts or ()},
        "confirmed": _confirmed(session, held, debounce),
    }


def _confirmed(session: Session, held: Row | None, debounce: int) -> int | None:
    """How many a look now would remove; None where counting takes too long."""
    if held is None:
        return 0
    count: int | None = ask(
        session, lambda: session.value("count_confirmed", debounce=debounce, **_where(held))
    )
    return count


def _where(held: Row) -> dict[str, str]:
    return {"profile": held["profile"], "collection_id": held["collection_id"]}
