"""The starting, watching and ending of the local system's programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.local.processes import command_line
from ops.local.programs import ROOT, Program, ProgramError, Programs

DEADLINE_SECONDS = 20

PARENT_OF_A_SLEEPER = """
import subprocess, sys
child = subprocess.Popen(["sleep", "600"])
print("ready", child.pid, flush=True)
child.wait()
"""

OWNER = """
import os, sys
from pathlib import Path
from ops.local.programs import Program, Programs
with Programs(Path(sys.argv[1]), os.environ) as programs:
    sleeper = "import os, time; print('process', os.getpid(), flush=True); time.sleep(600)"
    match = programs.start(Program("sleeper", (sys.executable, "-c", sleeper), r"process (\\d+)"))
    print(match.group(1), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """A runner with its logs in a folder of the test."""
    with Programs(tmp_path / "logs", os.environ) as running:
        yield running


def code(name: str, text: str, ready: str = "") -> Program:
    return Program(name, (sys.executable, "-c", text), ready)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_start_waits_until_the_program_says_it_is_ready(programs: Programs) -> None:
    text = "import time; time.sleep(0.3); print('listening on 4711', flush=True); time.sleep(600)"
    assert programs.start(code("server", text, r"listening on (\d+)")).group(1) == "4711"
    programs.check()


def test_a_program_that_ends_is_reported_with_the_end_of_its_log(programs: Programs) -> None:
    with pytest.raises(ProgramError, match=r"server ended with 3[\s\S]*no such port"):
        programs.start(code("server", "print('no such port'); raise SystemExit(3)", "listening"))


def test_a_program_that_does_not_get_ready_is_reported(programs: Programs) -> None:
    with pytest.raises(ProgramError, match=r"not ready after 0\.2 s"):
        programs.start(code("server", "import time; time.sleep(600)", "listening"), seconds=0.2)


def test_run_returns_the_output_or_raises(programs: Programs) -> None:
    assert programs.run(code("hello", "print('hello')")) == "hello\n"
    with pytest.raises(ProgramError, match="exited with 1"):
        programs.run(code("fails", "raise SystemExit(1)"))
    with pytest.raises(ProgramError, match=r"took over 0\.2 s"):
        programs.run(code("slow", "import time; time.sleep(600)"), seconds=0.2)


def test_stop_ends_the_children_of_a_program_too(programs: Programs) -> None:
    child = int(programs.start(code("parent", PARENT_OF_A_SLEEPER, r"ready (\d+)")).group(1))
    programs.stop()
    eventually(lambda: command_line(child) == b"")


def test_programs_end_with_the_one_who_started_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        sleeper = int(owner.stdout.readline())
        assert command_line(sleeper) != b""
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    eventually(lambda: command_line(sleeper) == b"")
