"""The jobs of the queue: a list by state and task, one job, its retry and its end."""

from __future__ import annotations

import falcon

from procrastinate_app.schedule import CRON

from .. import actions
from ..desk import Desk, ask, form
from ..filters import JOB_STATES, JobFilter, whole
from ..staging import MAX_ID
from .products import why_job_waits

PAGE = 50
CAP = 10_001
TASKS = ("sync_product", "remove_photos", *CRON)


class JobsResource:
    """GET /jobs"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        chosen = JobFilter.read(req.params)
        below = whole(req.params, "below", MAX_ID)
        with self._desk.staging.reading() as session:
            counts = ask(session, lambda: session.all("job_states", task=chosen.task, cap=CAP))
            rows = ask(
                session,
                lambda: session.all(
                    "jobs_page", state=chosen.state, task=chosen.task, below=below, limit=PAGE + 1
                ),
            )
        self._desk.page(
            req,
            resp,
            "jobs.html",
            chosen=chosen,
            jobs=None if rows is None else rows[:PAGE],
            older=rows[PAGE - 1]["id"] if rows and len(rows) > PAGE else None,
            first=below == MAX_ID,
            counts={row["state"]: row["jobs"] for row in counts or ()},
            states=JOB_STATES,
            tasks=TASKS,
            cap=CAP,
        )


class JobResource:
    """GET /jobs/ID"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        with self._desk.staging.reading() as session:
            job = session.one("job_view", job_id=job_id)
            if job is None:
                raise falcon.HTTPNotFound(title=f"There is no job {job_id}")
            events = session.all("job_events", job_id=job_id)
            attempts = (
                session.all("attempts_of_job", product_id=job["product_id"], job_id=job_id)
                if job["product_id"] is not None
                else []
            )
            why = why_job_waits(session, job_id)
        self._desk.page(req, resp, "job.html", job=job, events=events, attempts=attempts, why=why)


class JobActionResource:
    """POST /jobs/ID/retry and /jobs/ID/cancel"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post_retry(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        form(req)
        do = actions.retry_job
        self._desk.act(
            req, f"/jobs/{job_id}", "retry job", lambda: do(self._desk.staging, job_id), job=job_id
        )

    def on_post_cancel(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        form(req)
        do = actions.cancel_job
        self._desk.act(
            req, f"/jobs/{job_id}", "cancel job", lambda: do(self._desk.staging, job_id), job=job_id
        )
