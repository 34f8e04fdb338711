"""Who plays the faults: begins each at its moment, ends it when its time is over, and remembers when that was."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from ops.local.processes import children

from .schedule import KINDS, Fault
from .scrapers import Scrapers
from .world import World

BESIEGERS = 200
TASKS = ("ximilar_sync", "reconcile", "rescue_stalled")
TICK_SECONDS = 5.0

# What the emulator plays, and how often of a hundred calls.
SCRIPTS: dict[str, tuple[dict[str, object], int]] = {
    "ximilar 503": ({"kind": "status", "status": 503}, 100),
    "ximilar 429": ({"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}, 50),
    "ximilar drops answers": ({"kind": "drop", "apply": True}, 20),
    "ximilar drops requests": ({"kind": "drop"}, 20),
    "ximilar hangs": ({"kind": "hang", "seconds": 8, "apply": True}, 10),
    "ximilar slow": ({"kind": "delay", "seconds": 2}, 50),
    "ximilar dribbles": ({"kind": "dribble", "seconds": 0.2, "apply": True}, 10),
    "ximilar talks html": ({"kind": "html"}, 50),
    "ximilar talks garbage": ({"kind": "garbage", "apply": True}, 50),
}


@dataclass(frozen=True, slots=True)
class Played:
    """A fault as it was played, by the monotonic clock."""

    name: str
    begun: float
    ended: float


class Nemesis:
    """Play a schedule with `play`; `played` tells what was done and when."""

    def __init__(self, world: World, scrapers: Scrapers, seed: int) -> None:
        self.played: list[Played] = []
        self._world = world
        self._scrapers = scrapers
        self._chance = random.Random(seed)
        self._seed = seed
        self._operator = ThreadPoolExecutor(1)
        self._ticked: Future[None] | None = None
        self._began: dict[Fault, float] = {}
        self._endings: dict[Fault, Callable[[], None]] = {}
        self._acts: dict[str, Callable[[], Callable[[], None] | None]] = {
            **{name: functools.partial(self._script, name) for name in SCRIPTS},
            "worker killed": lambda: self._signal_a_worker(signal.SIGKILL),
            "worker asked to stop": lambda: self._signal_a_worker(signal.SIGTERM),
            "worker frozen": self._freeze,
            "postgres restarted": lambda: world.cluster.restart("fast"),
            "postgres stopped at once": lambda: world.cluster.restart("immediate"),
            "postgres killed": self._kill_postgres,
            "connections cut": self._cut_connections,
            "pooler killed": self._kill_pooler,
            "pooler paused": self._pause_pooler,
            "catalogue locked": self._lock_catalogue,
            "catalogue loaded anew": self._load_anew,
            "gateway process killed": self._kill_gateway_process,
            "gateway reloaded": lambda: world.gateway.signal(signal.SIGHUP),
            "gateway besieged": self._besiege,
        }
        assert self._acts.keys() == KINDS.keys()

    def play(self, faults: list[Fault], seconds: float, say: Callable[[str], None]) -> None:
        """Play the faults over `seconds`, and run the periodic tasks that would not come by in so short a time."""
        moments: list[tuple[float, Callable[[], None]]] = [(seconds, lambda: None)]
        for fault in faults:
            moments.append((fault.at, functools.partial(self._begin, fault, say)))
            moments.append((fault.at + fault.seconds, functools.partial(self._end, fault)))
        for number in range(int(seconds / TICK_SECONDS)):
            task = TASKS[number % len(TASKS)]
            moments.append((number * TICK_SECONDS, functools.partial(self._tick, task)))
        origin, clock = time.monotonic(), threading.Event()
        for at, act in sorted(moments, key=lambda moment: moment[0]):
            clock.wait(max(0.0, origin + at - time.monotonic()))
            act()
        self._operator.shutdown()

    def _tick(self, task: str) -> None:
        # By somebody else: a pooler that pauses would stop the weather, too.
        if self._ticked is None or self._ticked.done():
            self._ticked = self._operator.submit(self._world.run_task, task)

    def _begin(self, fault: Fault, say: Callable[[str], None]) -> None:
        say(f"  {fault}")
        self._began[fault] = time.monotonic()
        ending = self._acts[fault.name]()
        if ending is not None:
            self._endings[fault] = ending

    def _end(self, fault: Fault) -> None:
        self._endings.pop(fault, lambda: None)()
        self.played.append(Played(fault.name, self._began[fault], time.monotonic()))

    def _script(self, name: str) -> Callable[[], None]:
        fault, percent = SCRIPTS[name]
        self._world.emulator.play(fault, probability=percent / 100, seed=self._seed)

        def heal() -> None:
            self._world.emulator.heal()
            self._operator.submit(self._world.resume_account)

        return heal

    def _signal_a_worker(self, number: signal.Signals) -> None:
        self._chance.choice(self._world.workers).signal(number)

    def _freeze(self) -> Callable[[], None]:
        worker = self._chance.choice(self._world.workers)
        worker.signal(signal.SIGSTOP)
        return lambda: worker.signal(signal.SIGCONT)

    def _kill_postgres(self) -> None:
        self._world.cluster.kill()
        self._world.cluster.start()

    def _cut_connections(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._world.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ximilar'"
            )

    def _kill_pooler(self) -> Callable[[], None]:
        self._world.pooler.stop(signal.SIGKILL)
        return self._world.pooler.start

    def _pause_pooler(self) -> Callable[[], None] | None:
        # SIGUSR1 and SIGUSR2 are PAUSE and RESUME; PAUSE on the console would wait for the transactions under way.
        self._world.pooler.signal(signal.SIGUSR1)
        return lambda: self._world.pooler.signal(signal.SIGUSR2)

    def _lock_catalogue(self) -> Callable[[], None] | None:
        try:
            owner = self._world.owner()
            owner.set_autocommit(False)
            owner.execute("LOCK TABLE public.raw_products IN ACCESS EXCLUSIVE MODE")
        except psycopg.Error:
            return None
        return owner.close

    def _load_anew(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._scrapers.load_anew()

    def _kill_gateway_process(self) -> None:
        processes = children(self._world.gateway.process.pid)
        if processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(processes), signal.SIGKILL)

    def _besiege(self) -> Callable[[], None]:
        host, _, port = self._world.gateway_url.rpartition("//")[2].partition(":")
        sockets = []
        for number in range(BESIEGERS):
            with contextlib.suppress(OSError):
                sock = socket.create_connection((host, int(port)), timeout=2)
                sock.sendall((b"", b"POST /detect HTTP/1.1\r\nHost: g\r\nX-Slow: ")[number % 2])
                sockets.append(sock)

        def leave() -> None:
            for sock in sockets:
                sock.close()

        return leave
