"""The control API under /_emulator: look inside, change settings, script faults. No token, no limit."""

from __future__ import annotations

import json
from typing import Any

import falcon

from ops.emulator import crops
from ops.emulator.faults import parse_rule
from ops.emulator.requestlog import CONTROL
from ops.emulator.state import State

PHOTO_FIELDS = ("id", "sku_id", "url", "metadata", "stored_at", "times_sent")


def add_routes(app: falcon.App[falcon.Request, falcon.Response], state: State) -> None:
    """Add the control resources to `app`."""
    app.add_route(f"{CONTROL}/state", StateResource(state))
    app.add_route(f"{CONTROL}/requests", RequestsResource(state))
    app.add_route(f"{CONTROL}/collection", CollectionResource(state))
    app.add_route(f"{CONTROL}/settings", SettingsResource(state))
    app.add_route(f"{CONTROL}/faults", FaultsResource(state))
    app.add_route(f"{CONTROL}/reset", ResetResource(state))
    app.add_route(f"{crops.PATH}{{name}}", CropResource(state))


class _Resource:
    def __init__(self, state: State) -> None:
        self._state = state


class StateResource(_Resource):
    """Counts: what came, what was answered, what is stored, what it cost."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """One document with everything a test sums up."""
        collections, used = self._state.collections.values(), self._state.credits.used()
        resp.media = {
            **self._state.log.summary(),
            "photos_stored": sum(len(collection.photos()) for collection in collections),
            "photos_sent_again": sum(collection.sent_again for collection in collections),
            "credits": {"total": sum(used.values()), **used},
            "settings": _shown(self._state),
        }


class RequestsResource(_Resource):
    """The request log."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Entries after `since` (0), and the `last` to ask from the next time."""
        since = req.get_param_as_int("since", min_value=0, default=0)
        entries = self._state.log.since(since)
        resp.media = {"requests": entries, "last": entries[-1]["seq"] if entries else since}


class CollectionResource(_Resource):
    """What is stored."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Every photo of each profile, oldest first, without its descriptor."""
        photos = [
            {"profile": profile} | {name: getattr(photo, name) for name in PHOTO_FIELDS}
            for profile, collection in self._state.collections.items()
            for photo in collection.photos()
        ]
        resp.media = {"photos": photos, "count": len(photos)}

    def on_delete(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Empty the collections."""
        for collection in self._state.collections.values():
            collection.clear()
        resp.status = falcon.HTTP_NO_CONTENT


class SettingsResource(_Resource):
    """What the account allows, for calls that arrive from now on."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The settings but the token."""
        resp.media = _shown(self._state)

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Change those that are given."""
        try:
            self._state.settings = self._state.settings.changed(_document(req))
        except ValueError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error
        resp.media = _shown(self._state)


class FaultsResource(_Resource):
    """The fault script."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Every rule and how often it was played."""
        resp.media = {"faults": self._state.faults.listing()}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Append a rule."""
        try:
            self._state.faults.add(parse_rule(_document(req)))
        except ValueError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error
        resp.status = falcon.HTTP_CREATED
        resp.media = self._state.faults.listing()[-1]

    def on_delete(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Forget every rule."""
        self._state.faults.clear()
        resp.status = falcon.HTTP_NO_CONTENT


class ResetResource(_Resource):
    """Back to an empty account."""

    def on_post(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Forget photos, faults, log and credits; settings stay."""
        self._state.reset()
        resp.status = falcon.HTTP_NO_CONTENT


class CropResource(_Resource):
    """The crops `detect` cut out."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """One crop as JPEG."""
        jpeg = self._state.crops.get(f"{crops.PATH}{name}")
        if jpeg is None:
            raise falcon.HTTPNotFound
        resp.content_type = "image/jpeg"
        resp.data = jpeg


def _document(req: falcon.Request) -> dict[str, Any]:
    """The request's body, whatever its content type says: curl sends a form's. Raises ValueError."""
    document = json.loads(req.bounded_stream.read() or b"{}")
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    return document


def _shown(state: State) -> dict[str, Any]:
    settings = state.settings
    return {name: getattr(settings, name) for name in settings.__slots__ if name != "token"}
