"""Which jobs come back, and when."""

from __future__ import annotations

import asyncio

import psycopg
import psycopg_pool
import pytest
from procrastinate import utils
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from procrastinate_app.retry import ComesBack, PutBack, put_off_seconds

JOB = Job(id=1, queue="products", lock="product:1", queueing_lock=None, task_name="sync_product", priority=0)


def wait(exception: BaseException, job: Job = JOB, *, backs_off: bool = False) -> float | None:
    """Seconds until the job comes back; None if it does not."""
    decision = ComesBack(backs_off=backs_off).get_retry_decision(exception=exception, job=job)
    if decision is None:
        return None
    assert decision.retry_at is not None
    return (decision.retry_at - utils.utcnow()).total_seconds()


@pytest.mark.parametrize("seconds", [0.0, 3.0, 60.0])
def test_a_job_that_was_put_back(seconds: float) -> None:
    assert wait(PutBack("paused", seconds)) == pytest.approx(seconds, abs=0.2)


def wrapped(cause: Exception) -> ConnectorException:
    error = ConnectorException()
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "exception",
    [
        psycopg.OperationalError("server closed the connection"),
        psycopg.errors.LockNotAvailable(),
        psycopg.errors.QueryCanceled(),
        psycopg.errors.AdminShutdown(),
        psycopg.errors.InsufficientPrivilege(),
        psycopg.errors.DeadlockDetected(),
        psycopg_pool.PoolTimeout(),
        wrapped(psycopg.OperationalError()),
        asyncio.CancelledError(),
    ],
)
def test_what_is_not_the_jobs_fault_comes_back(exception: BaseException) -> None:
    seconds = wait(exception)
    assert seconds is not None
    assert seconds < 60


def test_a_job_that_backs_off_waits_longer_after_each_fault_of_the_database() -> None:
    for attempts, most in [(0, 2.0), (1, 4.0), (3, 16.0), (8, 60.0), (5000, 60.0)]:
        seconds = wait(psycopg.errors.InsufficientPrivilege(), JOB.evolve(attempts=attempts), backs_off=True)
        assert seconds is not None
        assert most / 2 - 0.2 <= seconds <= most
    assert wait(asyncio.CancelledError(), backs_off=True) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    "exception",
    [
        *(ValueError(), AssertionError(), TypeError(), KeyError("x"), RecursionError()),
        *(
            psycopg.DataError(),
            psycopg.errors.UniqueViolation(),
            wrapped(psycopg.errors.NumericValueOutOfRange()),
        ),
    ],
)
def test_a_bug_does_not(exception: Exception) -> None:
    assert wait(exception) is None


def test_a_job_goes_behind_those_that_were_put_back_less_often() -> None:
    decision = ComesBack().get_retry_decision(
        exception=PutBack("x", behind=True), job=JOB.evolve(priority=-2)
    )
    assert decision is not None
    assert decision.priority == -3


def test_a_job_keeps_its_place_otherwise() -> None:
    decision = ComesBack().get_retry_decision(exception=PutBack("x"), job=JOB)
    assert decision is not None
    assert decision.priority is None
    assert (decision.queue, decision.lock) == (None, None)


def test_a_product_with_faults_waits_longer_each_time_but_never_over_a_minute() -> None:
    for faults, most in [(1, 2.0), (2, 4.0), (3, 8.0), (6, 60.0), (1000, 60.0)]:
        waits = [put_off_seconds(faults) for _ in range(50)]
        assert most / 2 <= min(waits)
        assert max(waits) <= most
        assert len(set(waits)) > 1
