"""When a job that could not be done comes back. The queue is the only layer that repeats anything."""

from __future__ import annotations

import asyncio
import random

import psycopg
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

PUT_OFF_BASE_SECONDS = 1.0
PUT_OFF_MAX_SECONDS = 60.0


def is_database_fault(error: BaseException) -> bool:
    """Whether the database, its connection or a missing grant is at fault, and not what was sent to it."""
    if isinstance(error, ConnectorException) and error.__cause__ is not None:
        error = error.__cause__
    return isinstance(error, psycopg.Error) and not isinstance(
        error, psycopg.DataError | psycopg.IntegrityError
    )


class PutBack(Exception):
    """The job goes back to the queue and comes again in `seconds`; it is not at fault.

    `behind` the jobs that were put back less often: else a few products that Ximilar always fails on would be
    first after every pause, and pause the account again before anybody else is tried.
    """

    def __init__(self, why: str, seconds: float = 0.0, *, behind: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.behind = behind


class ComesBack(BaseRetryStrategy):
    """Puts a job back when it says so, when the database failed, or when it was cancelled by a shutdown.

    Anything else is a bug of ours: the job ends `failed`, with the traceback in the log. One that `backs_off` waits
    longer after each fault of the database.
    """

    def __init__(self, *, backs_off: bool = False) -> None:
        self._backs_off = backs_off

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, PutBack):
            return _in(exception.seconds, priority=job.priority - 1 if exception.behind else None)
        if is_database_fault(exception):
            return _in(put_off_seconds(job.attempts + 1) if self._backs_off else 0.0)
        if isinstance(exception, asyncio.CancelledError):
            return _in(0.0)
        return None


def put_off_seconds(faults: int) -> float:
    """How long a job that met its n-th fault waits: doubling, with full jitter, a minute at most."""
    # Without a bound the power overflows on the 1,024th: a grant may be missing for a night.
    return random.uniform(0.5, 1.0) * min(PUT_OFF_MAX_SECONDS, PUT_OFF_BASE_SECONDS * 2.0 ** min(faults, 10))


def _in(seconds: float, *, priority: int | None = None) -> RetryDecision:
    return RetryDecision(retry_in={"milliseconds": int(seconds * 1000)}, priority=priority)
