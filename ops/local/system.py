"""The whole system, running: database, photos, emulator and the programs of the project.

What the environment or a `.env` says of other systems is not seen: the programs get the emulator's address,
and a token that only the emulator knows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ops.local import environ
from ops.local.database import Database
from ops.local.emulator import COLLECTION, Emulator
from ops.local.loopback import HOST, free_port
from ops.local.photo_server import PhotoServer
from ops.local.products import Catalogue
from ops.local.programs import ROOT, Program, Programs
from procrastinate_app.settings import Settings
from procrastinate_app.ximilar import profiles

STATE = ROOT / ".local"
GATEWAY_PROCESSES = 2
APP = ("procrastinate", "--app=procrastinate_app.main.app")


GATEWAY_CONF = ("-c", "web/gateway/gunicorn.conf.py", "web.gateway.wsgi:application")
GATEWAY = Program(
    "gateway", (sys.executable, "-m", "gunicorn", *GATEWAY_CONF), ready=r"Listening at: (http://[0-9.:]+)"
)


class BusyError(RuntimeError):
    """Another local system of this clone is running."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chooses. `rate` is in requests a second, `delay` in seconds."""

    catalogue: Path
    profile: str = "recognition"
    workers: int = 2
    rate: int = 10
    delay: float = 0.2
    gateway_port: int = 0
    prometheus: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """The running parts."""

    options: Options
    catalogue: Catalogue
    database: Database
    photos: PhotoServer
    emulator: Emulator
    programs: Programs

    def migrate(self) -> str:
        """Bring the schema up to date; return what the program said."""
        return self.programs.run(python("migrate", "procrastinate_app", "migrate"))

    def start_services(self) -> list[str]:
        """Start the long-running programs of the project; return their names, with the address if they have one."""
        return [self._start(program) for program in services(self.options)]

    @property
    def gateway_url(self) -> str:
        """The gateway's base URL."""
        return f"http://{HOST}:{self.options.gateway_port}"

    def _start(self, program: Program) -> str:
        match = self.programs.start(program)
        return f"{program.name} {match.group(1)}" if match.groups() else program.name

    def defer(self, task: str) -> None:
        """Defer a task without arguments, as a person does it."""
        self.programs.run(python("defer", *APP, "defer", task))


def services(options: Options) -> list[Program]:
    """The long-running programs of the project."""
    workers = [python(f"worker-{n}", "procrastinate_app", "worker") for n in range(1, options.workers + 1)]
    return [*workers, GATEWAY]


def python(name: str, *arguments: str) -> Program:
    """Describe `python -m ...` of this virtual environment."""
    return Program(name, (sys.executable, "-m", *arguments))


@contextlib.contextmanager
def running(database: Database, options: Options, *, photo_port: int = 0) -> Iterator[System]:
    """Yield the system with all but the project's own services started; end everything afterwards."""
    catalogue = Catalogue.read(options.catalogue)
    options = replace(options, gateway_port=options.gateway_port or free_port())
    token = secrets.token_hex(16)
    with contextlib.ExitStack() as stack:
        photos = stack.enter_context(PhotoServer(catalogue.images, port=photo_port))
        programs = stack.enter_context(Programs(STATE / "logs", environ.without_settings(os.environ)))
        url = programs.start(_emulator(token, options)).group(1)
        programs.environ |= {
            **_settings(options, products=len(catalogue.products)),
            "STAGING_DB_URL": database.url,
            "XIMILAR_API_URL": url,
            "XIMILAR_API_TOKEN": token,
        }
        emulator = Emulator(url, token, profiles.make(Settings.from_env(programs.environ)))
        yield System(options, catalogue, database, photos, emulator, programs)


def _settings(options: Options, *, products: int) -> dict[str, str]:
    return {
        "XIMILAR_API_PROFILE": options.profile,
        "XIMILAR_COLLECTION_ID": COLLECTION,
        "XIMILAR_RATE_LIMIT": str(options.rate),
        "XIMILAR_ALLOW_PRIVATE_URLS": "1",
        "BATCH_SIZE": str(max(1000, products)),
        "HOST": HOST,
        "PORT": str(options.gateway_port),
        "WORKERS": str(GATEWAY_PROCESSES),
        "GATEWAY_PUBLIC_URL": f"http://{HOST}:{options.gateway_port}",
        "GATEWAY_CROP_KEY": secrets.token_hex(32),
    }


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of this clone's local system. Raises BusyError."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("the local system of this folder is running already") from None
        yield


def _emulator(token: str, options: Options) -> Program:
    listen = ("--host", HOST, "--port", "0", "--token", token, "--collection", COLLECTION)
    limits = ("--rate", str(options.rate), "--delay", str(options.delay))
    program = python("emulator", "ops.emulator", *listen, *limits, "--profile", options.profile)
    return replace(program, ready=r"emulator listening on (http://\S+)")
