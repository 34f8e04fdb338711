"""Puts the console together: `create_app(settings)` is the whole of it, by hand, in one place."""

from __future__ import annotations

from typing import Any

import falcon
import psycopg
import psycopg_pool

from procrastinate_app import logs

from .desk import Desk, now
from .doorway import Closed, Doorway
from .pages import audits, errors, jobs, overview, products, rate, removals, runs, schedule, signing
from .sessions import Failures, Sessions
from .settings import ConsoleSettings
from .staging import Staging
from .templates import STATIC_FOLDER
from .users import Users

log = logs.get(__name__)

ID = "int(min=1, max=9223372036854775806)"


class ConsoleApp(falcon.App[falcon.Request, falcon.Response]):
    """The WSGI application, with the database it holds."""

    staging: Staging

    def close(self) -> None:
        """Give the database's connections back."""
        self.staging.close()


def create_app(settings: ConsoleSettings) -> ConsoleApp:
    """Return the WSGI application. Raises SettingsError for a database URL that cannot be read."""
    users = Users(settings.users_file)
    sessions = Sessions(users, settings.session_key, settings.session_hours)
    staging = Staging(settings.staging_db_url, size=settings.pool, seconds=settings.statement_seconds)
    desk = Desk(settings, staging, users, sessions, Failures())
    app = ConsoleApp(
        media_type=falcon.MEDIA_HTML,
        middleware=[Doorway(users, sessions, http_photos=settings.allow_private_urls)],
    )
    app.staging = staging
    app.req_options.strip_url_path_trailing_slash = True
    app.add_route("/livez", LivenessResource())
    app.add_static_route("/static", STATIC_FOLDER)
    _add_pages(app, desk)
    _add_actions(app, desk)
    _add_error_handlers(app, desk)
    return app


class LivenessResource:
    """GET /livez: the process answers; nothing is asked of the database."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type, resp.text = falcon.MEDIA_TEXT, "ok\n"


def _add_pages(app: ConsoleApp, desk: Desk) -> None:
    app.add_route("/", overview.OverviewResource(desk))
    app.add_route("/runs", runs.RunsResource(desk))
    app.add_route(f"/runs/{{run_id:{ID}}}", runs.RunResource(desk))
    app.add_route("/products", products.ProductsResource(desk))
    app.add_route(f"/products/{{product_id:{ID}}}", products.ProductResource(desk))
    app.add_route("/errors", errors.ErrorsResource(desk))
    app.add_route("/jobs", jobs.JobsResource(desk))
    app.add_route(f"/jobs/{{job_id:{ID}}}", jobs.JobResource(desk))
    app.add_route("/removals", removals.RemovalsResource(desk))
    app.add_route("/schedule", schedule.ScheduleResource(desk))
    app.add_route("/rate", rate.RateResource(desk))
    app.add_route("/audit", audits.AuditResource(desk))
    app.add_route("/login", signing.LoginResource(desk))


def _add_actions(app: ConsoleApp, desk: Desk) -> None:
    app.add_route("/logout", signing.LogoutResource(desk))
    app.add_route("/products/retry", products.RetryResource(desk))
    app.add_route(f"/products/{{product_id:{ID}}}/retry", products.RetryOneResource(desk))
    for action in ("retry", "cancel"):
        app.add_route(f"/jobs/{{job_id:{ID}}}/{action}", jobs.JobActionResource(desk), suffix=action)
    app.add_route("/removals/apply", removals.ApplyResource(desk))
    for action in ("run", "pause", "resume"):
        app.add_route(f"/schedule/{{task}}/{action}", schedule.ScheduleActionResource(desk), suffix=action)
    for action in ("pause", "resume"):
        app.add_route(f"/rate/{action}", rate.PauseResource(desk), suffix=action)


def _add_error_handlers(app: ConsoleApp, desk: Desk) -> None:
    def show(
        req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: dict[str, Any]
    ) -> None:
        """A refusal as a page; 401 leads to the sign-in."""
        resp.status = error.status
        resp.set_headers(error.headers or {})
        template = "closed.html" if isinstance(error, Closed) else "refusal.html"
        resp.content_type = falcon.MEDIA_HTML
        resp.text = desk.templates.render(
            template,
            now(),
            user=getattr(req.context, "user", None),
            path=req.path,
            notice=None,
            partial=False,
            status=error.status_code,
            title=error.title or error.status,
            description=error.description or "",
        )

    def away(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        log.warning("page_failed", path=req.path, error=type(error).__name__)
        if isinstance(error, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable):
            said = (
                "The database took too long",
                "This page asked for more than it could have in time. Filter it down, or reload.",
            )
        else:
            said = (
                "The database cannot be reached",
                "The console shows what is in it, so there is nothing to show. Reload in a moment.",
            )
        refusal = falcon.HTTPServiceUnavailable(title=said[0], description=said[1], retry_after=5)
        show(req, resp, refusal, params)

    app.add_error_handler(falcon.HTTPError, show)
    app.add_error_handler((psycopg.OperationalError, psycopg_pool.PoolTimeout), away)
    app.add_error_handler(Exception, _broken(show))


def _broken(show: Any) -> Any:
    def broken(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        log.error("page_broken", path=req.path, exc_info=error)
        show(
            req,
            resp,
            falcon.HTTPInternalServerError(title="This page is broken", description="The log says why."),
            params,
        )

    return broken
