"""Tells whether Ximilar can be reached, without a token and so free of charge: GET on the base URL.

One process of all that share a folder probes, at most every so many seconds, in the background; its finding
lies in a file for the others. No request waits for a probe but one that comes before the first has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from procrastinate_app.ximilar.asyncio_transport import AsyncioTransport
from procrastinate_app.ximilar.calls import Call, Request
from procrastinate_app.ximilar.errors import Nonsense, XimilarError

TIMEOUT_SECONDS = 2.0
FIRST_WAIT_SECONDS = 2.5
_TICK_SECONDS = 0.05
_LOOK = Call("probe", Request("GET", "", {}), lambda response: response.status < 500)


class Finding(msgspec.Struct):
    """What a probe saw; `at` is of the machine's monotonic clock, which its processes share."""

    reachable: bool
    at: float


class Probe:
    """Probes `url` at most every `seconds`. `folder` is shared with the other processes; None: not shared."""

    def __init__(self, url: str, seconds: float, folder: str | None) -> None:
        self._transport = AsyncioTransport(
            url,
            None,
            connections=1,
            deadline=TIMEOUT_SECONDS,
            connect=TIMEOUT_SECONDS,
            user_agent="ximilar-gateway",
        )
        self._seconds = seconds
        self._folder = Path(folder) if folder else None
        self._finding: Finding | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to probe, on the running loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop probing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._transport.close()

    async def reachable(self) -> bool:
        """Return the last finding; wait for the first one for a moment, at most."""
        gives_up = time.monotonic() + FIRST_WAIT_SECONDS
        while (finding := self._read()) is None and time.monotonic() < gives_up:
            await asyncio.sleep(_TICK_SECONDS)
        return finding is not None and finding.reachable

    async def _run(self) -> None:
        while True:
            finding = self._read()
            age = time.monotonic() - finding.at if finding else self._seconds
            if age >= self._seconds:
                with self._locked() as alone:
                    if alone:
                        self._write(Finding(await self._look(), time.monotonic()))
                        continue
            await asyncio.sleep(max(_TICK_SECONDS, min(self._seconds - age, 1.0)))

    async def _look(self) -> bool:
        try:
            return await self._transport.send(_LOOK)
        except Nonsense:
            return True  # whatever it is, it was an answer
        except XimilarError:
            return False
        finally:
            self._transport.drop_idle()  # the next look is to see names, certificates and connecting again

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Yield whether this process is the one to probe now; the kernel frees the lock of one that dies."""
        if self._folder is None:
            yield True
            return
        descriptor = os.open(self._folder / "probe.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finding = self._read()  # another may have looked while this one came here
            yield finding is None or time.monotonic() - finding.at >= self._seconds
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def _read(self) -> Finding | None:
        if self._folder is None:
            return self._finding
        try:
            return msgspec.json.decode((self._folder / "probe.json").read_bytes(), type=Finding)
        except (OSError, msgspec.DecodeError):
            return None

    def _write(self, finding: Finding) -> None:
        self._finding = finding
        if self._folder is not None:
            draft = self._folder / "probe.new"
            draft.write_bytes(msgspec.json.encode(finding))
            draft.replace(self._folder / "probe.json")
