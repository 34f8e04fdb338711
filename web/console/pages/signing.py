"""Signing in and out."""

from __future__ import annotations

import math
import threading
from typing import NoReturn

import falcon
import psycopg

from procrastinate_app import logs

from .. import audit
from ..audit import Actor
from ..desk import Desk, form
from ..filters import text
from ..sessions import COOKIE
from ..users import User

# Each try takes 16 MiB and 50 ms: a flood of them must not take the console down.
_tries = threading.BoundedSemaphore(2)

log = logs.get(__name__)


class LoginResource:
    """GET /login, POST /login"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.context.user is not None:
            raise falcon.HTTPSeeOther("/")
        self._desk.page(req, resp, "login.html", wrong=None, name="", next=_target(req.get_param("next")))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        fields = form(req)
        name, target = text(fields, "name") or "", _target(text(fields, "next"))
        wait = self._desk.failures.wait(req.remote_addr, name)
        user = None if wait else self._check(name, fields.get("password"))
        if user is None:
            return self._refuse(req, resp, name, target, wait)
        self._desk.failures.forgive(req.remote_addr, name)
        self._note(req, user, "sign in")
        resp.set_cookie(
            COOKIE,
            self._desk.sessions.begin(user),
            max_age=int(self._desk.settings.session_hours * 3600),
            path="/",
            secure=req.scheme == "https",
            http_only=True,
            same_site="Strict",
        )
        resp.status, resp.location = falcon.HTTP_SEE_OTHER, target
        return None

    def _check(self, name: str, password: object) -> User | None:
        with _tries:
            return self._desk.users.check(name, password if isinstance(password, str) else "")

    def _refuse(
        self, req: falcon.Request, resp: falcon.Response, name: str, target: str, wait: float
    ) -> None:
        if wait:
            minutes = math.ceil(wait / 60)
            wrong = f"Too many attempts: try again in {minutes} minute{'' if minutes == 1 else 's'}."
            resp.status = falcon.HTTP_TOO_MANY_REQUESTS
            resp.retry_after = math.ceil(wait)
        else:
            self._desk.failures.note(req.remote_addr, name)
            log.warning("sign_in_failed", who=name, address=req.remote_addr)
            wrong, resp.status = "The name or the password is wrong.", falcon.HTTP_UNAUTHORIZED
        self._desk.page(req, resp, "login.html", wrong=wrong, name=name, next=target)

    def _note(self, req: falcon.Request, user: User, action: str) -> None:
        person = Actor(user.name, user.role, req.remote_addr)
        try:
            audit.perform(self._desk.staging, person, action, {}, lambda: "done")
        except psycopg.Error as error:
            # One must be able to look at an outage of the database, too.
            log.warning("audit_failed", action=action, error=type(error).__name__)


class LogoutResource:
    """POST /logout"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> NoReturn:
        self._desk.sessions.end(req.cookies.get(COOKIE))
        resp.unset_cookie(COOKIE, path="/", same_site="Strict")
        raise falcon.HTTPSeeOther("/login")


def _target(given: str | None) -> str:
    """Where to go after signing in: a path of this site, nowhere else."""
    if not given or not given.startswith("/") or given.startswith(("//", "/\\")) or "\\" in given:
        return "/"
    return given
