"""Starts the programs of the local system, watches them and ends them.

Each is the leader of its own process group, so that a Ctrl-C reaches only the one who ends them in order, and
the kernel ends it if that one dies.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 15
TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class Program:
    """One program: `ready` is a pattern that its output shows once it can be used; empty: at once."""

    name: str
    command: tuple[str, ...]
    ready: str = ""


class ProgramError(RuntimeError):
    """A program failed or did not get ready; the message ends with the last lines of its log."""


class Programs:
    """The running programs, each with a log in `logs`; leaving the context ends them, the last one first.

    `environ` is what the next program gets as its environment.
    """

    def __init__(self, logs: Path, environ: Mapping[str, str]) -> None:
        self._logs = logs
        self.environ = dict(environ)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, program: Program, *, seconds: float = 30) -> re.Match[str]:
        """Start a program and return the match of its `ready`. Raises ProgramError."""
        self._running[program.name] = self._spawn(program)
        deadline = time.monotonic() + seconds
        while (
            match := re.search(program.ready, self._log(program.name).read_text(errors="replace"))
        ) is None:
            self.check()
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"{program.name} is not ready after {seconds:g} s\n{self._tail(program.name)}"
                )
            time.sleep(0.05)
        return match

    def run(self, program: Program, *, seconds: float = 60) -> str:
        """Run a program to its end and return its output. Raises ProgramError unless it exits with 0."""
        process = self._spawn(program)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProgramError(
                f"{program.name} took over {seconds:g} s\n{self._tail(program.name)}"
            ) from None
        finally:
            _kill(process)
        if code != 0:
            raise ProgramError(f"{program.name} exited with {code}\n{self._tail(program.name)}")
        return self._log(program.name).read_text(errors="replace")

    def pid(self, name: str) -> int:
        """Return the process id of a running program, which leads its process group."""
        return self._running[name].pid

    def check(self) -> None:
        """Raise ProgramError if a program has ended."""
        for name, process in self._running.items():
            if (code := process.poll()) is not None:
                raise ProgramError(f"{name} ended with {code}\n{self._tail(name)}")

    def stop(self) -> None:
        """End all programs: politely, after STOP_SECONDS by force."""
        processes = list(reversed(self._running.values()))
        for process in processes:
            _end(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _kill(process)
        self._running.clear()

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        with self._log(program.name).open("wb") as log:
            return subprocess.Popen(
                [*_ended_with_us(), *program.command],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _tail(self, name: str) -> str:
        log = self._log(name)
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"{log} ends:", *(f"  {line}" for line in lines)])


def _ended_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")  # of util-linux, on every Debian
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _kill(process: subprocess.Popen[bytes]) -> None:
    _end(process, signal.SIGKILL)
    process.wait()


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
