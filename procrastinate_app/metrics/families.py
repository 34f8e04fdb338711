"""Every metric of the exporter: name, type, labels and meaning, as ops/prometheus/README.md lists them.

Names follow prometheus.io/docs/practices/naming. No label holds a product, an address or free text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; a sample of it has a value for each of `labels`, in this order."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, help: str, *labels: str) -> Family:
    return Family(name, "gauge", help, labels)


def _counter(name: str, help: str, *labels: str) -> Family:
    return Family(name, "counter", help, labels)


UP = _gauge("ximilar_up", "1 while the database answers the exporter.")
GROUP_UP = _gauge("ximilar_collect_success", "1 if this group of figures could be asked for.", "group")
GROUP_AGE = _gauge("ximilar_collect_age_seconds", "How old this group's figures are.", "group")
GROUP_SECONDS = _gauge("ximilar_collect_duration_seconds", "How long asking for them took.", "group")
BUILD = _gauge("ximilar_build_info", "Always 1; the labels say what runs.", "version", "python")

PRODUCTS = _gauge("ximilar_products", "Products by ximilar_status (none: NULL, other: unknown).", "state")
PRODUCTS_READY = _gauge("ximilar_products_ready", "Pending products whose photos are ready.")
OLDEST_PENDING = _gauge(
    "ximilar_products_oldest_pending_seconds",
    "Since when the pending product that waits longest is unchanged, its photos ready; 0: none waits.",
)
COLLECTION = _gauge(
    "ximilar_collection_photos",
    "Photos in the collection by the ledger; over a million, an estimate by Postgres' statistics.",
)
CAPACITY = _gauge("ximilar_collection_capacity_photos", "XIMILAR_COLLECTION_CAPACITY, where it is set.")
CREDITS = _gauge("ximilar_credits_left", "Credits of the account, where the profile can ask for them.")
CREDITS_WARN = _gauge("ximilar_credits_warn_below", "XIMILAR_CREDITS_WARN, where credits are asked for.")
PRODUCT_DRIFT = _gauge(
    "ximilar_drift_products",
    "Synced products that the ledger does not know (unrecorded) or that were edited since; an estimate.",
    "kind",
)
PHOTO_DRIFT = _gauge(
    "ximilar_drift_photos",
    "Stored photos whose product is gone (orphaned) or no longer lists them (unlisted); an estimate.",
    "kind",
)
REMOVALS_HELD = _gauge(
    "ximilar_removals_held_products",
    "Products that the last comparison did not remove, since they were too many: an operator applies them.",
)

JOBS = _gauge("ximilar_jobs", "Jobs in the queue by task and procrastinate's status.", "task", "status")
JOBS_STALLED = _gauge("ximilar_jobs_stalled", "Jobs begun that nobody is at work on.")
QUEUE_AGE = _gauge(
    "ximilar_queue_oldest_ready_seconds", "For how long the oldest job that could start has waited.", "queue"
)
BACKLOG = _gauge(
    "ximilar_backlog_seconds", "The least time the waiting product jobs take at the present limit."
)
TICK = _gauge(
    "ximilar_task_last_tick_timestamp_seconds", "The last tick of its cron a task was enqueued for.", "task"
)

ATTEMPTS = _counter(
    "ximilar_attempts_total", "Attempts at products by outcome and cause.", "outcome", "cause"
)
PHOTOS_SENT = _counter("ximilar_photos_sent_total", "Photos that Ximilar stored for the sync.")
ATTEMPT_SECONDS = Family(
    "ximilar_attempt_duration_seconds", "histogram", "Time taken by attempts, all photos.", ("outcome",)
)

LIMIT = _gauge("ximilar_throttle_limit_requests_per_second", "The workers' limit, all together.")
WAIT = _gauge("ximilar_throttle_wait_seconds", "How long a request would wait for its slot now.")
ANSWERED = _gauge("ximilar_throttle_last_answer_timestamp_seconds", "When Ximilar last took a worker's call.")
PAUSED = _gauge(
    "ximilar_paused", "1 for the cause the account is paused for, until a probe succeeds.", "cause"
)
PAUSED_AT = _gauge("ximilar_pause_start_timestamp_seconds", "When the present pause began.")
PAUSED_UNTIL = _gauge("ximilar_pause_end_timestamp_seconds", "When its next probe is due (+Inf: never).")

WORKERS = _gauge("ximilar_workers", "Workers registered, alive or not.")
WORKERS_ALIVE = _gauge("ximilar_workers_alive", "Workers that beat in the last 30 seconds.")
HEARTBEAT = _gauge(
    "ximilar_worker_heartbeat_age_seconds", "Since when this worker has not beaten.", "host", "pid"
)

LAST_SUCCESS = _gauge(
    "ximilar_run_last_success_timestamp_seconds",
    "When a run last synced at least 95 % of its products; before the first, when the schema was made.",
    "kind",
)
LAST_COMPLETED = _gauge("ximilar_run_last_completed_timestamp_seconds", "When the last run ended.", "kind")
LAST_STATUS = _gauge("ximilar_run_last_status", "1 for the status the last run ended with.", "kind", "status")
LAST_FETCHED = _gauge("ximilar_run_last_fetched_products", "Products the last run enqueued.", "kind")
LAST_SYNCED = _gauge("ximilar_run_last_synced_products", "Products the last run synced.", "kind")
LAST_ERRORS = _gauge("ximilar_run_last_error_products", "Products the last run set to error.", "kind")
LAST_SECONDS = _gauge("ximilar_run_last_duration_seconds", "How long the last run took.", "kind")
OPEN_SINCE = _gauge("ximilar_run_open_start_timestamp_seconds", "When the open run began.", "kind")
OPEN_PRODUCTS = _gauge(
    "ximilar_run_open_products", "Products of the open runs by outcome.", "kind", "outcome"
)
WEEK_SYNCED = _gauge(
    "ximilar_week_synced_products", "Products synced by the `sync` runs of the week up to the last one."
)
WEEK_USUAL = _gauge(
    "ximilar_week_usual_synced_products", "The median of that over the eight weeks before that had runs."
)

FAMILIES = {value.name: value for value in tuple(globals().values()) if isinstance(value, Family)}
