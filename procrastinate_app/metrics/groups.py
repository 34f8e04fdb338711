"""What is asked together and how often: cheap statements often, those that read whole tables seldom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from .. import deadlines
from ..connection import SyncConnection
from ..database import conninfo
from ..queries import sql
from ..settings import Settings
from ..throttle import HEADROOM
from ..ximilar import profiles
from . import account, progress, samples
from .samples import Rows, Sample

Sampler = Callable[[Rows], Iterator[Sample]]

CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that see one moment of the database; `every` is in units of METRICS_CACHE_SECONDS."""

    name: str
    every: int
    timeout_seconds: int
    statements: Mapping[str, Sampler]


LIVE = Group(
    "live",
    every=1,
    timeout_seconds=5,
    statements={
        "metrics_throttle": account.throttle,
        "metrics_jobs": samples.jobs,
        "metrics_stalled": samples.stalled,
        "metrics_removals": samples.removals,
        "metrics_workers": samples.workers,
        "metrics_attempts": account.attempts,
        "metrics_last_runs": progress.last_runs,
        "metrics_open_runs": progress.open_runs,
        "metrics_weeks": progress.weeks,
        "last_ticks": samples.ticks,
    },
)
CENSUS = Group(
    "census",
    every=6,
    timeout_seconds=60,
    statements={
        "metrics_products": samples.products,
        "metrics_ended_jobs": samples.ended_jobs,
        "metrics_collection": samples.collection,
    },
)
DRIFT = Group(
    "drift",
    every=60,
    timeout_seconds=60,
    statements={
        "metrics_product_drift": samples.product_drift,
        "metrics_photo_drift": samples.photo_drift,
    },
)
GROUPS = (LIVE, CENSUS, DRIFT)


def ask(settings: Settings, group: Group) -> list[Sample]:
    """Ask the database once. Raises psycopg.Error. A connection each time: it costs little and never is stale."""
    parameters = _parameters(settings)
    with (
        SyncConnection.connect(
            conninfo(settings.staging_db_url),
            autocommit=True,
            prepare_threshold=None,
            application_name="ximilar-exporter",
            connect_timeout=CONNECT_SECONDS,
        ) as connection,
        connection.transaction(),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute(sql("metrics_transaction"))
        cursor.execute(sql("metrics_timeout"), {"milliseconds": group.timeout_seconds * 1000})
        return [
            sample
            for name, sampler in group.statements.items()
            for sample in sampler(cursor.execute(sql(name), parameters).fetchall())
        ]


def _parameters(settings: Settings) -> dict[str, Any]:
    return {
        "rate": settings.rate_limit,
        "batch": profiles.make(settings).batch,
        "headroom": HEADROOM,
        "silent": deadlines.SILENT,
        "product_seconds": deadlines.RESCUE_PRODUCT,
        "control_seconds": deadlines.RESCUE_CONTROL,
        "collection_id": settings.collection_id,
    }
