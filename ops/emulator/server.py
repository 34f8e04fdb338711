"""gunicorn around the application: one process with many threads, since the state lies in its memory."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import Any, TextIO
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from ops.emulator.app import create_app
from ops.emulator.settings import Settings

KEEPALIVE_SECONDS = 75
STOP_SECONDS = 5
DRAIN_SECONDS = 1
IDLE_CONNECTIONS = 4000


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how to serve. Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 9000
    threads: int = 128
    """Calls served at once; one that hangs holds one."""


class Server(BaseApplication):  # type: ignore[misc]
    """The emulator as a gunicorn application; `run()` serves until SIGTERM or SIGINT, then exits with 0."""

    def __init__(self, settings: Settings, listen: Listen, *, log_stream: TextIO | None = None) -> None:
        self.stopping = threading.Event()
        self._settings = settings
        self._listen = listen
        self._log_stream = log_stream
        super().__init__()

    def load_config(self) -> None:
        """gunicorn's hook: everything is set here, nothing is read from a file or the environment."""
        options: dict[str, Any] = {
            "bind": f"{self._listen.host}:{self._listen.port}",
            "workers": 1,
            "worker_class": EmulatorWorker,
            "threads": self._listen.threads,
            "worker_connections": self._listen.threads + IDLE_CONNECTIONS,
            "keepalive": KEEPALIVE_SECONDS,
            # The state dies with the worker, so none is ever replaced for being slow.
            "timeout": 0,
            "graceful_timeout": STOP_SECONDS,
            "control_socket_disable": True,
            "loglevel": "warning",
            "post_worker_init": _announce,
            "worker_exit": _leave,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """gunicorn's hook, in the worker process."""
        return create_app(
            self._settings,
            log_stream=self._log_stream,
            stopping=self.stopping,
            downloads=self._listen.threads,
        )


class EmulatorWorker(ThreadWorker):  # type: ignore[misc]
    """A thread worker that ends at once: whoever waits is woken, idle connections are closed."""

    def init_process(self) -> None:
        """Give calls less time to end than the parent gives this process: it must not have to be killed."""
        self.cfg.set("graceful_timeout", DRAIN_SECONDS)
        super().init_process()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        self.app.stopping.set()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGQUIT: no different, nothing here takes long."""
        self.handle_exit(sig, frame)

    def murder_keepalived(self, force: bool = False) -> None:
        """Close expired idle connections, when stopping all of them."""
        super().murder_keepalived(force=force or not self.alive)


def _announce(worker: EmulatorWorker) -> None:
    """Say where it listens, once it does: the line a starting script waits for."""
    host, port = worker.sockets[0].sock.getsockname()[:2]
    sys.stdout.write(f"emulator listening on http://{host}:{port}\n")
    sys.stdout.flush()


def _leave(_server: Any, worker: EmulatorWorker) -> None:
    """End this process without waiting for threads that wait for a client's first byte.

    All else has ended by then; a worker that failed goes gunicorn's way, so that the failure shows.
    """
    if worker.booted and not worker.alive:
        sys.stderr.flush()
        os._exit(0)
