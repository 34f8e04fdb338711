"""Jobs whose worker died, fell silent, or lost the end of one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid

import pytest

from procrastinate_app import deadlines, rescue
from procrastinate_app.process import this_process
from procrastinate_app.services import Services
from tests.fix_catalogue import Catalogue, Row
from tests.fix_upstream import Upstream
from tests.fix_worker import Worker, opened


def do_rescue(worker: Worker, *, steady: float = 60.0, silent: float = 0.0) -> int:
    """Rescue as a worker that has been beating for so long, last `silent` seconds ago."""

    async def run() -> int:
        async with opened(worker.settings) as services:
            register(worker.catalogue, services, steady, silent)
            return await rescue.rescue(services)

    return asyncio.run(run())


def register(catalogue: Catalogue, services: Services, steady: float, silent: float) -> None:
    process = this_process()
    catalogue.owner.execute(
        """
        INSERT INTO workers (id, host, pid, process, version, concurrency, listening, beating_since, beat_at)
        VALUES (%s, %s, %s, %s, '0', 8, false, now() - make_interval(secs => %s), now() - make_interval(secs => %s))
        """,
        [services.worker_id, process.host, process.pid, process.identity, steady, silent],
    )


def queue_worker(catalogue: Catalogue, *, silent: float = 0.0) -> int:
    """A worker of procrastinate's that has not beaten for so long."""
    return int(
        catalogue.value(
            """
            INSERT INTO procrastinate_workers (last_heartbeat)
            VALUES (now() - make_interval(secs => %s)) RETURNING id
            """,
            [silent],
        )
    )


def our_worker(catalogue: Catalogue, number: int, process: str, *, silent: float = 0.0) -> None:
    """The same worker's own row."""
    catalogue.owner.execute(
        """
        INSERT INTO workers (id, queue_worker, host, pid, process, version, concurrency, listening, beat_at)
        VALUES (%s, %s, %s, 1, %s, '0', 8, false, now() - make_interval(secs => %s))
        """,
        [uuid.uuid4(), number, this_process().host, process, silent],
    )


def doing(catalogue: Catalogue, worker: int | None, *, age: float = 0.0, run_id: int | None = None) -> Row:
    """A product's job that is `doing` for so long."""
    job = catalogue.queue(catalogue.add().id, run_id)
    catalogue.start(job, worker)
    catalogue.owner.execute(
        "UPDATE procrastinate_events SET at = now() - make_interval(secs => %s) WHERE job_id = %s", [age, job]
    )
    return catalogue.one("SELECT * FROM procrastinate_jobs WHERE id = %s", [job])


def elsewhere() -> str:
    """The identity of a process of another machine."""
    return "another-boot/4026531836/77@1"


def test_a_job_in_good_hands_is_left_alone(catalogue: Catalogue, worker: Worker) -> None:
    number = queue_worker(catalogue)
    our_worker(catalogue, number, elsewhere())
    doing(catalogue, number, age=60.0)
    assert do_rescue(worker) == 0
    assert catalogue.statuses() == ["doing"]


def test_a_job_whose_worker_is_gone(catalogue: Catalogue, worker_anywhere: Worker) -> None:
    job = doing(catalogue, None)
    assert do_rescue(worker_anywhere) == 1
    (after,) = catalogue.jobs()
    assert (after["status"], after["attempts"]) == ("todo", 1)
    assert catalogue.outcomes(job["args"]["product_id"]) == ["rescued"]


def test_a_job_whose_worker_is_silent(catalogue: Catalogue, worker_anywhere: Worker) -> None:
    number = queue_worker(catalogue, silent=deadlines.SILENT + 1)
    our_worker(catalogue, number, elsewhere(), silent=deadlines.SILENT + 1)
    doing(catalogue, number)
    assert do_rescue(worker_anywhere) == 1


def test_either_heartbeat_will_do(catalogue: Catalogue, worker: Worker) -> None:
    draining = queue_worker(catalogue, silent=300.0)
    our_worker(catalogue, draining, elsewhere())
    doing(catalogue, draining)
    foreign = queue_worker(catalogue)
    doing(catalogue, foreign)
    assert do_rescue(worker) == 0


def test_right_after_an_outage_nobody_is_taken_for_dead(catalogue: Catalogue, worker: Worker) -> None:
    number = queue_worker(catalogue, silent=300.0)
    doing(catalogue, number)
    assert do_rescue(worker, steady=deadlines.SILENT - 5) == 0
    assert do_rescue(worker) == 1


def test_nor_before_the_judge_itself_has_beaten_again(catalogue: Catalogue, worker: Worker) -> None:
    """Else it finds itself dead, brings back the job it is doing, and that again, until its products are blamed."""
    doing(catalogue, queue_worker(catalogue, silent=70.0))
    assert do_rescue(worker, steady=600.0, silent=70.0) == 0


def test_a_neighbour_whose_process_has_ended_is_not_waited_for(catalogue: Catalogue, worker: Worker) -> None:
    identity = "from procrastinate_app.process import this_process; print(this_process().identity)"
    ended = subprocess.run([sys.executable, "-c", identity], capture_output=True, text=True, check=True)
    number = queue_worker(catalogue)
    our_worker(catalogue, number, ended.stdout.strip())
    doing(catalogue, number)
    assert do_rescue(worker, steady=0.0) == 1
    assert catalogue.all("SELECT FROM workers WHERE queue_worker IS NOT NULL") == []


def test_a_neighbour_that_lives_is_not_robbed(catalogue: Catalogue, worker: Worker) -> None:
    number = queue_worker(catalogue)
    our_worker(catalogue, number, this_process().identity)
    doing(catalogue, number)
    assert do_rescue(worker) == 0


@pytest.mark.parametrize(
    ("age", "rescued"), [(deadlines.RESCUE_PRODUCT - 10, 0), (deadlines.RESCUE_PRODUCT + 10, 1)]
)
def test_a_job_older_than_any_may_be_lost_its_acknowledgement(
    catalogue: Catalogue, worker: Worker, age: float, rescued: int
) -> None:
    doing(catalogue, queue_worker(catalogue), age=age)
    assert do_rescue(worker) == rescued


def test_a_control_job_may_take_longer(catalogue: Catalogue, worker: Worker) -> None:
    job = catalogue.value(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('control', 'ximilar_sync') RETURNING id"
    )
    catalogue.start(job, queue_worker(catalogue))
    age = "UPDATE procrastinate_events SET at = now() - make_interval(secs => %s)"
    catalogue.owner.execute(age, [deadlines.RESCUE_PRODUCT + 10])
    assert do_rescue(worker) == 0
    catalogue.owner.execute(age, [deadlines.RESCUE_CONTROL + 10])
    assert do_rescue(worker) == 1
    status = "SELECT status::text FROM procrastinate_jobs"
    assert catalogue.value(status) == "todo"


def test_a_product_whose_worker_dies_again_and_again_is_in_error(
    catalogue: Catalogue, worker: Worker
) -> None:
    run_id = catalogue.open_run()
    job = doing(catalogue, None, run_id=run_id)
    product = job["args"]["product_id"]
    for rescues in range(1, rescue.MAX_RESCUES):
        assert do_rescue(worker) == 1
        assert catalogue.statuses() == ["todo"], rescues
        catalogue.start(job["id"])
    assert do_rescue(worker) == 1
    assert catalogue.statuses() == ["failed"]
    row = catalogue.row(product)
    assert (row["ximilar_status"], row["error_message"]) == (
        "error",
        f"its worker died {rescue.MAX_RESCUES} times while at work on it",
    )
    assert catalogue.value("SELECT outcome FROM run_products") == "error"


def test_two_rescuers_rescue_once(catalogue: Catalogue, worker_anywhere: Worker) -> None:
    jobs = [doing(catalogue, None) for _ in range(20)]

    async def run() -> list[int]:
        async with opened(worker_anywhere.settings) as one, opened(worker_anywhere.settings) as other:
            return list(await asyncio.gather(rescue.rescue(one), rescue.rescue(other)))

    assert sum(asyncio.run(run())) == len(jobs)
    assert {row["attempts"] for row in catalogue.jobs()} == {1}


def test_a_starting_worker_takes_up_what_a_dead_one_left(
    catalogue: Catalogue, worker_anywhere: Worker, upstream: Upstream
) -> None:
    job = doing(catalogue, None)
    worker_anywhere.until(lambda: catalogue.statuses() == ["succeeded"])
    assert catalogue.state(job["args"]["product_id"]) == "synced"
    assert len(upstream.requests) == 1
