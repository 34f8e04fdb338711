"""The programs under test as their supervisor runs them: one that ends is started again, and its end is noted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
READY_SECONDS = 40.0
STOP_SECONDS = 75.0  # STOP in procrastinate_app/deadlines.py
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class End:
    """A program ended with `code` (negative: by that signal); `asked` by us, or by itself."""

    program: str
    code: int
    asked: bool


class Program:
    """One program; all its lives write to one log. `ready` is a pattern that its output shows once it is at work."""

    def __init__(
        self, name: str, command: tuple[str, ...], environ: Mapping[str, str], folder: Path, *, ready: str
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.asked = False
        self._command = command
        self._environ = dict(environ)
        self._ready = re.compile(ready)
        self.process = self._spawn()

    def ready(self) -> re.Match[str]:
        """Wait until it is at work. Raises RuntimeError with its last lines."""
        gives_up = time.monotonic() + READY_SECONDS
        while (found := self._ready.search(self.log.read_text(errors="replace"))) is None:
            if time.monotonic() > gives_up or self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL, SIGTERM and SIGINT make its end one that was asked for."""
        self.asked = self.asked or number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def begin_again(self) -> None:
        """Start it anew."""
        self.asked = False
        self.process = self._spawn()

    def end(self) -> None:
        """End it: politely, then by force."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class Supervisor:
    """Keeps programs running from `with` to its end, as systemd's Restart=always does; `ends` tells how they ended."""

    def __init__(self, programs: list[Program]) -> None:
        self.ends: list[End] = []
        self._programs = programs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for program in self._programs:
                code = program.process.poll()
                if code is not None:
                    self.ends.append(End(program.name, code, program.asked))
                    program.begin_again()


def environment(**settings: str) -> dict[str, str]:
    """What a program sees: nothing of this machine's own settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "XIMILAR_ENV_FILE": "", **settings}
