"""What all pages share: the database, the templates, the remembered counts, and how a page answers."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import falcon

from procrastinate_app import logs

from . import audit
from .audit import Actor
from .remembered import Remembered
from .sessions import Failures, Sessions
from .settings import ConsoleSettings
from .staging import Row, Session, Staging, TooSlow
from .templates import Templates
from .users import Users

FORM_LIMIT_BYTES = 64 * 1024

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """One console process."""

    settings: ConsoleSettings
    staging: Staging
    users: Users
    sessions: Sessions
    failures: Failures
    templates: Templates = field(default_factory=Templates)
    product_counts: Remembered[Row] = field(default_factory=lambda: Remembered(10.0))
    month: Remembered[list[Row]] = field(default_factory=lambda: Remembered(60.0))
    suggestions: Remembered[dict[str, list[str]]] = field(default_factory=lambda: Remembered(600.0))

    def page(self, req: falcon.Request, resp: falcon.Response, template: str, /, **facts: Any) -> None:
        """Answer with a page; `?did=N` shows what came of action N, to whoever did it."""
        resp.content_type = falcon.MEDIA_HTML
        resp.text = self.templates.render(
            template,
            now(),
            user=req.context.user,
            path=req.path,
            notice=self._notice(req),
            partial="HX-REQUEST" in req.headers and "HX-HISTORY-RESTORE-REQUEST" not in req.headers,
            **facts,
        )

    def act(
        self, req: falcon.Request, target: str, action: str, do: Callable[[], str], /, **parameters: Any
    ) -> None:
        """Do something, write it down, and send the browser to `target`, which tells what came of it."""
        audit_id = audit.perform(self.staging, actor(req), action, parameters, do)
        raise falcon.HTTPSeeOther(f"{target}{'&' if '?' in target else '?'}did={audit_id}")

    def _notice(self, req: falcon.Request) -> Row | None:
        audit_id = req.get_param_as_int("did", min_value=1, max_value=2**62) if req.has_param("did") else None
        if audit_id is None or req.context.user is None:
            return None
        with self.staging.reading() as session:
            entry = session.one("audit_entry", audit_id=audit_id)
        return entry if entry and entry["who"] == req.context.user.name else None


def now() -> datetime.datetime:
    """The present, aware."""
    return datetime.datetime.now(datetime.UTC)


def actor(req: falcon.Request) -> Actor:
    """Who asks."""
    user = req.context.user
    return Actor(user.name, user.role, req.remote_addr)


def form(req: falcon.Request) -> Mapping[str, Any]:
    """The fields of a form. Raises 413 for one that is too long, 400 for what is none."""
    if (req.content_length or 0) > FORM_LIMIT_BYTES:
        raise falcon.HTTPContentTooLarge(title="The form is too long")
    fields = req.get_media(default_when_empty={})
    if not isinstance(fields, dict):
        raise falcon.HTTPBadRequest(title="Not a form")
    return fields


def ask(session: Session, question: Callable[[], Any]) -> Any:
    """Ask one question of a page; None if it took too long, and the page goes on without it."""
    try:
        with session.attempt():
            return question()
    except TooSlow as error:
        log.warning("question_too_slow", error=type(error).__name__)
        return None
