"""The runs, and one run."""

from __future__ import annotations

from typing import Any

import falcon

from .. import charts
from ..desk import Desk, ask
from ..filters import whole
from ..staging import MAX_ID, Row, Session
from .overview import progress

PAGE = 50
SLICES = 48


class RunsResource:
    """GET /runs"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        below = whole(req.params, "below", MAX_ID)
        with self._desk.staging.reading() as session:
            rows = session.all("run_views", below=below, limit=PAGE + 1)
        older = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
        self._desk.page(req, resp, "runs.html", runs=rows[:PAGE], older=older, first=below == MAX_ID)


class RunResource:
    """GET /runs/ID"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, run_id: int) -> None:
        with self._desk.staging.reading() as session:
            run = session.one("run_view", run_id=run_id)
            if run is None:
                raise falcon.HTTPNotFound(title=f"There is no run {run_id}")
            facts = _facts(session, run)
        shown = progress(run, facts.pop("pace"), self._desk.settings.credits_per_photo)
        self._desk.page(
            req, resp, "run.html", run=shown, timeline=_timeline(run, facts.pop("slices")), **facts
        )


def _facts(session: Session, run: Row) -> dict[str, Any]:
    run_id, running = run["id"], run["completed_at"] is None
    return {
        "pace": ask(session, lambda: session.one("run_pace", run_id=run_id)),
        "outcomes": ask(session, lambda: session.all("run_outcomes", run_id=run_id)),
        "put_off": ask(session, lambda: session.value("run_put_off", run_id=run_id)) if running else 0,
        "causes": ask(session, lambda: session.all("run_causes", run_id=run_id)),
        "slices": ask(session, lambda: session.all("run_timeline", run_id=run_id, slice=_slice(run))),
    }


def _slice(run: Row) -> float:
    seconds: float = run["seconds"]
    return max(1.0, seconds / SLICES)


def _timeline(run: Row, rows: list[Row] | None) -> charts.Chart | None:
    if rows is None:
        return None
    return charts.by_slice(rows, _slice(run), SLICES, f"Run {run['id']} from its begin")
