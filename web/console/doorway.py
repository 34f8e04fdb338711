"""What every request passes: is the console open, who is asking, may they, and is it this site that asks.

Headers of every answer are set here too. A strict Content-Security-Policy: nothing inline, nothing from elsewhere
but photos, which lie where the shops keep them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import falcon

from procrastinate_app import logs

from .sessions import COOKIE, Sessions
from .users import Users, UsersFileError

OPEN_PATHS = ("/login", "/livez")
STATIC = "/static/"

log = logs.get(__name__)


class Closed(falcon.HTTPServiceUnavailable):
    """Nobody may sign in yet: there is no usable users' file."""


class Doorway:
    """Falcon middleware. Puts the user into `req.context.user`, None where nobody is asked for."""

    def __init__(self, users: Users, sessions: Sessions, *, http_photos: bool) -> None:
        self._users = users
        self._sessions = sessions
        photos = "https: http:" if http_photos else "https:"
        self._policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
            f"img-src 'self' {photos}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Let pass, send to the sign-in, or refuse."""
        req.context.user = None
        self._set_headers(req, resp)
        if req.path.startswith(STATIC) or req.path == "/livez":
            return
        self._demand_open()
        if req.method not in ("GET", "HEAD"):
            _demand_same_origin(req)
        user = self._sessions.user(req.cookies.get(COOKIE))
        req.context.user = user
        if user is None and req.path not in OPEN_PATHS:
            _send_to_login(req)
        if user is not None and not user.may_act and req.method == "POST" and req.path != "/logout":
            raise falcon.HTTPForbidden(description="You are a viewer: an operator may do this.")

    def _demand_open(self) -> None:
        try:
            if self._users.all():
                return
            reason = "no user exists yet"
        except UsersFileError as error:
            reason = f"the users' file {error}"
            log.error("users_file_unusable", reason=str(error))
        raise Closed(description=reason)

    def _set_headers(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_headers(
            {
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                # Not no-referrer: a browser would send the Origin of a form as `null`.
                "Referrer-Policy": "same-origin",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
                "X-Robots-Tag": "noindex, nofollow",
                "Cache-Control": "no-store",
            }
        )
        if req.scheme == "https":
            resp.set_header("Strict-Transport-Security", "max-age=31536000")


def _demand_same_origin(req: falcon.Request) -> None:
    """Refuse a form of another site. Browsers leave Sec-Fetch-Site out over plain HTTP: then Origin must match."""
    site = req.get_header("Sec-Fetch-Site")
    if site is not None:
        ours = site == "same-origin"
    else:
        origin: Any = req.get_header("Origin")
        ours = bool(origin) and urlsplit(origin).netloc == req.netloc
    if not ours:
        raise falcon.HTTPForbidden(description="This request did not come from a page of the console.")


def _send_to_login(req: falcon.Request) -> None:
    if req.get_header("HX-Request"):
        # htmx would put the sign-in page into the middle of this one.
        raise falcon.HTTPUnauthorized(headers={"HX-Refresh": "true"})
    if req.method == "POST":
        raise falcon.HTTPUnauthorized(description="Your session has ended: sign in again.")
    target = req.relative_uri if req.method == "GET" else "/"
    raise falcon.HTTPSeeOther(f"/login?next={quote(target, safe='')}" if target != "/" else "/login")
