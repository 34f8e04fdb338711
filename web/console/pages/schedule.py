"""The periodic tasks: when they were and will be due, run one now, pause and resume one."""

from __future__ import annotations

import falcon

from procrastinate_app.schedule import CRON

from .. import actions, phrases
from ..desk import Desk, now
from ..ticks import cron
from .overview import next_ticks

MEANINGS = {
    "ximilar_sync": "Starts a run over the pending products whose photos are ready.",
    "ximilar_retry": "Starts a run over the products that have been in error for over six hours.",
    "rescue_stalled": "Brings back the jobs of dead workers and ends the runs that are over.",
    "prune": "Forgets finished jobs, attempts, runs and the audit, as far as they are old enough.",
    "reconcile": "Compares the catalogue with what is stored, and queues repairs and removals.",
    "queue_touched": "Queues the products that the optional trigger on raw_products has noted.",
}


class ScheduleResource:
    """GET /schedule"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        with self._desk.staging.reading() as session:
            rows = {row["task"]: row for row in session.all("schedule_view")}
        due = next_ticks(list(rows.values()), now())
        never = {"last_tick": None, "paused_at": None, "paused_by": None}
        tasks = [
            {
                **never,
                **rows.get(task, {}),
                "task": task,
                "cron": cron(task, rows.get(task)),
                "words": phrases.cron(cron(task, rows.get(task))),
                "meaning": MEANINGS.get(task, ""),
                "next": due[task],
                "pausable": task not in actions.NEVER_PAUSED,
            }
            for task in CRON
        ]
        self._desk.page(req, resp, "schedule.html", tasks=tasks, never_paused=actions.NEVER_PAUSED)


class ScheduleActionResource:
    """POST /schedule/TASK/run, /pause and /resume"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def on_post_run(self, req: falcon.Request, resp: falcon.Response, task: str) -> None:
        do = actions.run_task
        self._desk.act(req, "/schedule", "run task", lambda: do(self._desk.staging, task), task=task)

    def on_post_pause(self, req: falcon.Request, resp: falcon.Response, task: str) -> None:
        do, who = actions.pause_task, req.context.user.name
        self._desk.act(req, "/schedule", "pause task", lambda: do(self._desk.staging, task, who), task=task)

    def on_post_resume(self, req: falcon.Request, resp: falcon.Response, task: str) -> None:
        do = actions.resume_task
        self._desk.act(req, "/schedule", "resume task", lambda: do(self._desk.staging, task), task=task)
