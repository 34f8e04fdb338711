"""Products in error, grouped by what went wrong."""

from __future__ import annotations

import falcon

from ..desk import Desk, ask

CAP = 100_000
EXAMPLES = 3


class ErrorsResource:
    """GET /errors"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with self._desk.staging.reading() as session:
            groups = ask(session, lambda: session.all("error_groups", cap=CAP, examples=EXAMPLES))
        total = sum(group["products"] for group in groups or ())
        self._desk.page(req, resp, "errors.html", groups=groups, total=total, cap=CAP)
