"""The kernel kills a worker for its memory, again and again while it is at work; its supervisor starts it again."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.storm.programs import Program, Supervisor
from tests.fix_drill import Drill
from tests.fix_system import wait_until

CGROUPS = Path("/sys/fs/cgroup")
MEGABYTE = 2**20
LIMIT = 256 * MEGABYTE
KILLS = 3
IN_FLIGHT = 8
WORKER = (sys.executable, "-m", "procrastinate_app", "worker")
INTO_THE_CAGE = 'echo $$ > "$0/cgroup.procs" && echo "$1" > /proc/self/oom_score_adj && shift && exec "$@"'
# The kernel takes the one that is said to deserve it most, however large another is.
VICTIM, SPARED = "1000", "0"
# It takes a megabyte for each byte that it is sent.
EATER = """
import sys
held = []
while sys.stdin.buffer.read(1):
    held.append(b"x" * 2**20)
    sys.stdout.buffer.write(b".")
    sys.stdout.buffer.flush()
"""


class Cage:
    """A memory cgroup, of either version, whose processes together may take LIMIT bytes and no swap."""

    def __init__(self) -> None:
        first = (CGROUPS / "memory").is_dir()
        self._path = (CGROUPS / "memory" if first else CGROUPS) / f"drill-{secrets.token_hex(3)}"
        self._kills = "memory.oom_control" if first else "memory.events"
        limits = (
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
            if first
            else ("memory.max", "memory.swap.max")
        )
        self._path.mkdir()
        for name, value in zip(limits, (LIMIT, LIMIT if first else 0), strict=True):
            with contextlib.suppress(FileNotFoundError):  # a kernel that does not account swap
                (self._path / name).write_text(str(value))

    @property
    def kills(self) -> int:
        """How many processes in it the kernel has killed for their memory."""
        words = (self._path / self._kills).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that runs `arguments` in here, as the one to be killed."""
        return self._command(VICTIM, *arguments)

    def press(self) -> None:
        """Fill it up until the kernel kills one of its processes, and let go."""
        killed = self.kills
        command = self._command(SPARED, sys.executable, "-c", EATER)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as eater:
            assert eater.stdin is not None
            assert eater.stdout is not None
            for _ in range(2 * LIMIT // MEGABYTE):
                if self.kills > killed:
                    return
                eater.stdin.write(b".")
                eater.stdout.read(1)
        pytest.fail("the fault has no effect: nothing was killed")

    def remove(self) -> None:
        """Take it away, once it is empty."""
        wait_until(lambda: not (self._path / "cgroup.procs").read_text(), 10)
        self._path.rmdir()

    def _command(self, score: str, *arguments: str) -> tuple[str, ...]:
        return ("sh", "-c", INTO_THE_CAGE, str(self._path), score, *arguments)


@pytest.fixture
def cage() -> Iterator[Cage]:
    """A memory cgroup of this test's own; skips where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("a memory cgroup needs root")
    try:
        cage = Cage()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error.strerror}")
    yield cage
    cage.remove()


@pytest.fixture
def caged(drill: Drill, cage: Cage) -> Iterator[tuple[Program, Supervisor]]:
    """A worker in the cage, which is started there again whenever it has ended."""
    system = drill.system
    worker = Program("worker", cage.command(*WORKER), system.environ, system.folder, ready="worker_started")
    try:
        with Supervisor([worker]) as supervisor:
            worker.ready()
            yield worker, supervisor
    finally:
        worker.end()


@pytest.mark.drill
@pytest.mark.timeout(400)
def test_killed_for_its_memory(drill: Drill, cage: Cage, caged: tuple[Program, Supervisor]) -> None:
    worker, supervisor = caged
    drill.begin(100, sent=5)
    recoveries = []
    for _ in range(KILLS):
        cage.press()
        drill.healed()
        drill.wait_for_recovery(120)
        recoveries.append(drill.figures["recovery seconds"])
    drill.figures.update({"killed by the kernel": cage.kills, "recovery seconds": recoveries})
    drill.judge(again=KILLS * IN_FLIGHT, seconds=150)
    assert len(supervisor.ends) >= KILLS
    assert {end.code for end in supervisor.ends} == {-signal.SIGKILL}
    assert worker.process.poll() is None
