"""The account: how many requests a second, and whether it is paused."""

from __future__ import annotations

import falcon

from .. import actions
from ..desk import Desk, form, now
from ..filters import text
from ..waiting import pause


class RateResource:
    """GET /rate shows it, POST sets the rate."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with self._desk.staging.reading() as session:
            throttle = session.one("throttle_view")
            pace = session.one("recent_throughput")
        assert throttle is not None
        self._desk.page(
            req,
            resp,
            "rate.html",
            throttle=throttle,
            pace=pace,
            pause=pause(throttle, now()) if throttle["paused"] else None,
            configured_rate=self._desk.settings.rate_limit,
            least=actions.LEAST_RATE,
            most=actions.MOST_RATE,
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        rate = text(form(req), "rate") or ""
        do = actions.set_rate
        self._desk.act(
            req, "/rate", "set rate", lambda: do(self._desk.staging, rate), rate=rate or "as configured"
        )


class PauseResource:
    """POST /rate/pause and /rate/resume"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post_pause(self, req: falcon.Request, resp: falcon.Response) -> None:
        reason = text(form(req), "reason")
        said = {"reason": reason} if reason else {}
        do = actions.pause_account
        self._desk.act(req, "/rate", "pause account", lambda: do(self._desk.staging, reason), **said)

    def on_post_resume(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._desk.act(req, "/rate", "resume account", lambda: actions.resume_account(self._desk.staging))
