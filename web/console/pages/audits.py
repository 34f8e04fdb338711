"""What operators did."""

from __future__ import annotations

import falcon

from ..desk import Desk
from ..filters import whole
from ..staging import MAX_ID

PAGE = 50


class AuditResource:
    """GET /audit"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        below = whole(req.params, "below", MAX_ID)
        with self._desk.staging.reading() as session:
            rows = session.all("audit_page", below=below, limit=PAGE + 1)
        older = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
        self._desk.page(req, resp, "audit.html", entries=rows[:PAGE], older=older, first=below == MAX_ID)
