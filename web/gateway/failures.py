"""Falcon's error handlers: whatever is raised becomes problem details, and only a bug becomes a 500."""

from __future__ import annotations

from typing import Any

import falcon.asgi

from procrastinate_app import logs
from procrastinate_app.ximilar.errors import XimilarError

from .exchange import Exchange
from .problems import MEDIA_TYPE, Problem, from_error

_log = logs.get("gateway")
_CODES = {404: "not_found", 405: "method_not_allowed"}


def add_handlers(app: falcon.asgi.App[Any, Any]) -> None:
    """Register the handlers; Falcon takes the most specific."""
    app.add_error_handler(Exception, on_surprise)
    app.add_error_handler(falcon.HTTPError, on_http_error)
    app.add_error_handler(Problem, on_problem)
    app.add_error_handler(XimilarError, on_ximilar_error)


async def on_problem(req: Any, resp: Any, problem: Problem, _params: Any) -> None:
    """A problem says it all by itself."""
    _answer(req.scope["exchange"], resp, problem)


async def on_ximilar_error(req: Any, resp: Any, error: XimilarError, _params: Any) -> None:
    """Ximilar's errors by the table in `problems`."""
    exchange: Exchange = req.scope["exchange"]
    _answer(exchange, resp, from_error(error, exchange.field))


async def on_http_error(req: Any, resp: Any, error: falcon.HTTPError, _params: Any) -> None:
    """Falcon's own: an unknown path, a wrong method."""
    code = _CODES.get(error.status_code, "invalid")
    detail = {
        "not_found": "There is nothing at this path.",
        "method_not_allowed": "This path does not take this method.",
    }.get(code, "The request could not be understood.")
    _answer(
        req.scope["exchange"],
        resp,
        Problem(error.status_code, code, detail, headers=dict(error.headers or {})),
    )


async def on_surprise(req: Any, resp: Any, error: Exception, _params: Any) -> None:
    """A bug of ours: the log has it, the client has the request id."""
    exchange: Exchange = req.scope["exchange"]
    _log.error("bug", request_id=exchange.request_id, handler=exchange.handler, exc_info=error)
    _answer(exchange, resp, Problem(500, "bug", "The gateway has a fault."))


def _answer(exchange: Exchange, resp: falcon.asgi.Response, problem: Problem) -> None:
    resp.status = problem.status
    resp.data = problem.body(exchange.request_id)
    resp.content_type = MEDIA_TYPE
    for name, value in problem.headers.items():
        resp.set_header(name, value)
