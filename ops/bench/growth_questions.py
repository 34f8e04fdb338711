"""The statements whose growth is watched, each with parameters of an ordinary call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.bench.growth_build import COLLECTION, HELD, PROFILE, QUEUED
from procrastinate_app import deadlines
from procrastinate_app.metrics.groups import GROUPS
from procrastinate_app.plan import UNSURE
from procrastinate_app.reconcile import CHUNK
from procrastinate_app.throttle import HEADROOM

WHERE = {"profile": PROFILE, "collection_id": COLLECTION}
SHARED = {
    **WHERE,
    "rate": 10.0,
    "batch": 1,
    "headroom": HEADROOM,
    "silent": deadlines.SILENT,
    "product_seconds": deadlines.RESCUE_PRODUCT,
    "control_seconds": deadlines.RESCUE_CONTROL,
}
LAST_ID = 2**63 - 1
ANYTHING: Mapping[str, Any] = {"state": None, "brand": None, "category": None, "pattern": None, "cause": None}


@dataclass(frozen=True, slots=True)
class Question:
    """A named statement. `census`: it is to see the whole table, so it grows with it; seldom asked."""

    name: str
    parameters: Mapping[str, Any]
    note: str = ""
    census: str = ""

    @property
    def title(self) -> str:
        """The statement and what is special about this call."""
        return f"{self.name} {self.note}".strip()


def questions(rows: int) -> dict[str, list[Question]]:
    """Return {area: questions} for a Staging of so many products."""
    return {
        "Worker": _worker(rows // 2 + 3),
        "Runs": _runs(rows),
        "Comparison with the ledger": _comparison(rows),
        "Console": _console(rows, rows // 2 + 3),
        "Command line": _command_line(rows),
        "Exporter": _exporter(),
    }


def _worker(product: int) -> list[Question]:
    done = {**HELD, "run_id": 401, "sku": f"SKU-{HELD['product_id']}", "photos_sent": 3, "seconds": 0.3}
    # Of no fingerprint: that of the row is not known here, and another one would be `moved`.
    verdict = {"outcome": "synced", "mark": True, "fingerprint": None}
    unsaid = dict.fromkeys(("cause", "code", "message", "request_id"))
    return [
        Question("fetch_job", {"queues": None, "queues_while_paused": ["control"], "worker_id": None}),
        Question("load_product", {"product_id": product}),
        Question("photos_of", {"product_id": product, **WHERE}),
        Question("record_outcome", {**done, **verdict, **unsaid}),
        Question("faults_of_job", {"job_id": 7, "causes": ["timed_out"]}),
        Question("settle_product", {"run_id": 401, "product_id": product, "outcome": "synced"}),
        Question("run_is_over", {"run_id": 401}),
        Question("enqueue_again", {"product_id": product, "run_id": None}),
        Question("forget_shared", {"product_id": product, "url": _photo(product), "unsure": UNSURE, **WHERE}),
        Question("share_photo", {**_stored(product), "unsure": UNSURE, **WHERE}),
    ]


def _runs(rows: int) -> list[Question]:
    return [
        Question("enqueue_pending", {"run_id": None, "limit": 500}, "of 500"),
        Question(
            "enqueue_pending",
            {"run_id": None, "limit": rows // 100},
            "of all that are pending",
            "by what it queues",
        ),
        Question("enqueue_errors", {"run_id": None, "limit": 500}, "of 500"),
        Question("enqueue_drain_sync", {"run_id": None, "limit": 500, "cursor": 0}, "of 500"),
        Question("open_drain", {"kind": "sync"}, "", "counts what is pending"),
        Question("enqueue_resend", {"sku": f"SKU-{rows // 2}"}, "of one SKU"),
        Question("settle_dead", {}),
        Question("finished_runs", {"max_seconds": 21600}),
        Question("rest_of_run", {"run_id": 401}),
        Question("stalled_jobs", {**SHARED, "dead": []}),
        Question("prune_attempts", {"days": 400, "limit": 1000}),
        Question("prune_jobs", {"days": 7, "limit": 1000}),
        Question("prune_runs", {"days": 400}),
    ]


def _comparison(rows: int) -> list[Question]:
    half = {"after": rows // 2, "last": rows // 2 + CHUNK}
    return [
        Question("chunk_end", {"after": rows // 2, "limit": CHUNK}),
        Question("scan_chunk", {**half, "only": None, **WHERE}, "of 5,000"),
        Question("scan_chunk", {**half, "only": [rows // 2 + 5, rows // 2 + 9], **WHERE}, "of two"),
        Question(
            "enqueue_repairs",
            {"ids": list(range(rows // 2, rows // 2 + CHUNK)), "sent_before": None},
            "of 5,000",
        ),
        Question("enqueue_touched", {**half, "only": None, "changed": []}, "in a range of 5,000"),
        Question("drop_returned", {**half, "ids": [], **WHERE}),
        Question("candidate_ids", {"after": 0, "limit": CHUNK, **WHERE}),
        Question(
            "confirmed_removals", {"since": datetime.now(UTC) - timedelta(hours=2), "debounce": 600, **WHERE}
        ),
        Question("unconfirmed_removals", {"debounce": 600, **WHERE}),
        Question("enqueue_removals", WHERE),
        Question("stored_products", {"limit": 10_001, **WHERE}, "up to 10,001"),
        Question("last_pass", {}),
        Question("hand_over_photos", {"product_id": rows // 2 + 3, "unsure": UNSURE, **WHERE}),
    ]


def _console(rows: int, product: int) -> list[Question]:
    page = {**ANYTHING, "above": 0, "below": LAST_ID, "limit": 51}
    since = datetime.now(UTC) - timedelta(days=30)
    return [
        Question("count_products", {}, "", "1 s, then an estimate"),
        Question("estimate_products", {}),
        Question("products_page", page),
        Question("products_page", {**page, "state": "error"}, "in error"),
        Question("products_page", {**page, "brand": "brand 77"}, "of a brand"),
        Question(
            "products_page",
            {**page, "pattern": f"%SKU-{rows // 2}%"},
            "that match",
            "in slices of ids, timed",
        ),
        Question("count_matching", {**ANYTHING, "state": "error", "cap": 10_000}, "in error", "up to 10,000"),
        Question("count_retry", {**ANYTHING, "state": "error"}, "in error", "by what is in error"),
        Question("id_below", {"below": LAST_ID, "rows": 20_000}),
        Question("products_of_sku", {"sku": f"SKU-{rows // 2}"}),
        Question("product_view", {"product_id": product}),
        Question("photos_view", {"product_id": product}),
        Question("attempts_view", {"product_id": product, "limit": 50}),
        Question("jobs_of", {"product_id": product}),
        Question("error_groups", {"cap": 5000, "examples": 3}, "", "up to 5,000"),
        Question("job_states", {"task": None, "cap": 10_000}),
        Question("jobs_page", {"state": None, "task": None, "below": LAST_ID, "limit": 51}),
        Question(
            "jobs_page", {"state": "failed", "task": None, "below": LAST_ID, "limit": 51}, "that failed"
        ),
        Question("job_view", {"job_id": 7}),
        Question("waiting_facts", {"job_id": rows // 100 + QUEUED, "cap": 1000}),
        Question("queue_now", {"cap": 100_000}),
        Question("stuck_jobs", {"seconds": 120}),
        Question("hours", {"since": since}, "of 30 days", "by the attempts of 30 days"),
        Question("recent_throughput", {}),
        Question("run_views", {"below": LAST_ID, "limit": 51}),
        Question("run_view", {"run_id": 401}, "of the open one"),
        Question("run_pace", {"run_id": 400}, "", "by the run's size"),
        Question("run_causes", {"run_id": 400}, "", "by the run's size"),
        Question(
            "removals_page",
            {**WHERE, "below": LAST_ID, "limit": 51, "reason": None, "state": None, "debounce": 600},
        ),
    ]


def _command_line(rows: int) -> list[Question]:
    return [
        Question("products_by_state", {}, "", "up to a million rows, then a sample"),
        Question("job_counts", {}),
        Question("list_workers", {}),
        Question("run_progress", {"run_id": 401}),
        Question("errors_by_cause", {"examples": 3}, "", "by what is in error"),
        Question("find_products", {"sku": f"SKU-{rows // 2}"}),
        Question("stored_photos", {"product_id": rows // 2 + 3}),
        Question("adopt", {"after": rows // 2, "limit": 1000, **WHERE}, "of 1,000"),
        Question("untracked_products", WHERE, "", "`verify`"),
        Question("photos_of_unknown_content", WHERE, "", "`verify`"),
        Question("sample_synced", WHERE),
    ]


def _exporter() -> list[Question]:
    census = {"metrics_products": "each 90 s", "metrics_ended_jobs": "by finished jobs"}
    names = [name for group in GROUPS for name in group.statements]
    return [Question(name, SHARED, "", census.get(name, "")) for name in names]


def _photo(product: int) -> str:
    return f"https://photos.example.com/{product}/1.jpg"


def _stored(product: int) -> dict[str, Any]:
    sku = f"SKU-{product}"
    return {"product_id": product, "url": _photo(product), "sku": sku, "content_hash": None}
