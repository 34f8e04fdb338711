"""What runs when, on which queue and how urgently. All times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CONTROL_QUEUE = "control"
PRODUCT_QUEUE = "products"
QUEUES = (CONTROL_QUEUE, PRODUCT_QUEUE, "builtin")

# A control task must not wait behind 100,000 products; the rescue must not wait behind a sync.
CONTROL_PRIORITY = 100
RESCUE_PRIORITY = 1000
# What a person asks for does not wait behind a job of the same lock whose time has not come.
BY_HAND_PRIORITY = 101

# Their jobs have a lock, the task's name: two of them never run together.
ONE_AT_A_TIME = frozenset({"reconcile", "queue_touched"})

CRON: Mapping[str, str] = MappingProxyType(
    {
        "ximilar_sync": "0 10 * * 0",  # Sunday 10:00
        "ximilar_retry": "0 12 * * *",
        "rescue_stalled": "* * * * *",
        "prune": "30 3 * * *",
        "reconcile": "0 2 * * *",  # RECONCILE_CRON may say otherwise
        "queue_touched": "* * * * *",
    }
)


def crons(reconcile: str) -> Mapping[str, str]:
    """Return CRON with the time of `reconcile` that the settings name, if they do."""
    return MappingProxyType({**CRON, **({"reconcile": reconcile} if reconcile else {})})


# A worker that was down at a tick makes up for it for so long. procrastinate's default of ten minutes would
# lose the week when a worker is down on Sunday at 10:00; at most one tick a task is made up for.
CATCH_UP_SECONDS = 7 * 86400.0
