"""The WSGI application: profiles and control API on one Falcon app, the recorder around all of it."""

from __future__ import annotations

import json
import threading
from typing import Any, TextIO
from wsgiref.types import WSGIApplication

import falcon

from ops.emulator import control, fashion, recognition
from ops.emulator.exchange import Exchange
from ops.emulator.pictures import Downloader
from ops.emulator.requestlog import Recorder, RequestLog
from ops.emulator.settings import Settings
from ops.emulator.state import State

PROFILES = {"recognition": recognition.routes, "fashion": fashion.routes}


def create_app(
    settings: Settings,
    *,
    log_stream: TextIO | None = None,
    stopping: threading.Event | None = None,
    downloads: int = 16,
) -> WSGIApplication:
    """The emulator with an empty collection.

    `log_stream` takes the request log as JSON lines. Set `stopping` to end every wait (latency,
    hanging faults). `downloads` is how many connections to one file server are kept.
    """
    log = RequestLog(log_stream)
    state = State(settings, log, Downloader(connections=downloads), stopping or threading.Event())
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.set_error_serializer(_serialize_error)
    app.add_route("/", RootResource(state))
    for profile in settings.profiles:
        for path, resource in PROFILES[profile](state).items():
            app.add_route(path, resource)
    control.add_routes(app, state)
    return Recorder(app, log)


class RootResource:
    """The base URL: what a reachability probe asks for, free and without a token."""

    def __init__(self, state: State) -> None:
        self._state = state

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """200 with a line about itself; a fault script may name the path "/"."""
        Exchange(self._state, req, resp, effect=_about).run(latency=0.0)


def _about() -> dict[str, Any]:
    return {"name": "Ximilar emulator", "control": "/_emulator/state"}


def _serialize_error(_req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """{"detail": ...}, as Django REST framework, which Ximilar's own errors look like."""
    defaults = {404: "Not found.", 405: "Method not allowed."}
    detail = error.description or defaults.get(error.status_code) or error.title
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps({"detail": detail}).encode()
