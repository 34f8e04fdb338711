"""The servers of the gateway's bench as real processes: the two designs, nginx, and the one in Ximilar's place."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ops.bench.peers import environment
from ops.local.environ import without_settings
from ops.local.programs import Program, Programs
from web.gateway import callers

HERE = Path(__file__).parent
HOME = environment.HOME
START_SECONDS = 30
POLL_SECONDS = 0.002
SETTLE_SECONDS = 0.5
QUESTIONS = {
    "gateway": ("/detect", '{"url":"https://cdn.example.com/first.jpg"}'),
    "upstream": ("/recognition/v2/detect", '{"records":[{"_url":"https://cdn.example.com/first.jpg"}]}'),
}
NGINX = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {home}/nginx-body;
    proxy_temp_path {home}/nginx-proxy;
    upstream ximilar {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://ximilar;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started; `paths` says whose paths and bodies it takes, `token` what a caller shows it."""

    name: str
    command: tuple[str, ...]
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)
    paths: str = "gateway"
    token: str = ""


class Server:
    """A running server. It answered its first question `first_answer` seconds after it was started."""

    def __init__(self, launch: Launch, pid: int, first_answer: float) -> None:
        self.name = launch.name
        self.url = f"http://127.0.0.1:{launch.port}"
        self.paths = launch.paths
        self.token = launch.token
        self.first_answer = first_answer
        self._master = psutil.Process(pid)

    def cpu_seconds(self) -> float:
        """Return what all its processes have used so far, in user space and in the kernel."""
        return sum(sum(process.cpu_times()[:4]) for process in self._processes())

    def memory(self) -> float:
        """Return the memory of all its processes in bytes, what they share counted once (PSS)."""
        return float(sum(process.memory_full_info().pss for process in self._processes()))

    def settled_memory(self) -> float:
        """Return its memory once it does no more: all processes have started and nothing is being imported."""
        ends = time.monotonic() + START_SECONDS
        spent = -1.0
        while spent < (spent := self.cpu_seconds()) and time.monotonic() < ends:
            time.sleep(SETTLE_SECONDS)
        return self.memory()

    def _processes(self) -> list[psutil.Process]:
        return [self._master, *self._master.children(recursive=True)]


@contextlib.contextmanager
def running(launch: Launch) -> Iterator[Server]:
    """Start a server, wait for its first answer, and end all its processes at the end. Raises ProgramError."""
    with Programs(HOME / "logs", {**without_settings(os.environ), **launch.environ}) as programs:
        started = time.monotonic()
        programs.start(Program(launch.name, launch.command))
        while not _answers(launch):
            programs.check()
            if time.monotonic() - started > START_SECONDS:
                raise TimeoutError(f"{launch.name} does not answer")
            time.sleep(POLL_SECONDS)
        yield Server(launch, programs.pid(launch.name), time.monotonic() - started)


def upstream(delay: float) -> Launch:
    """Ximilar's place: fixed answers, each after `delay` seconds."""
    port = _free_port()
    command = (str(HOME / "upstream"), str(port), f"{delay * 1000:g}", str(HERE / "answers"))
    return Launch(f"upstream {delay * 1000:g} ms", command, port, paths="upstream")


def ours(behind: str, workers: int, *, cache_seconds: int = 0) -> Launch:
    """This gateway with all that production has switched on, its access log in a file."""
    port = _free_port()
    token, line = callers.issue("bench")
    tokens = HOME / f"tokens-{port}"
    tokens.write_text(f"{line}\n")
    environ = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WORKERS": str(workers),
        "XIMILAR_API_URL": behind,
        "XIMILAR_API_TOKEN": "bench",
        "XIMILAR_COLLECTION_ID": "c",
        "GATEWAY_TOKENS_FILE": str(tokens),
        "GATEWAY_CACHE_SECONDS": str(cache_seconds),
    }
    command = (
        *(sys.executable, "-m", "gunicorn", "-c", "web/gateway/gunicorn.conf.py"),
        "web.gateway.wsgi:application",
    )
    return Launch(f"ours x {workers}", command, port, environ, token=token)


def old(behind: str, workers: int) -> Launch:
    """The old design, its access log in a file."""
    port = _free_port()
    environ = {"XIMILAR_API_URL": behind, "XIMILAR_API_TOKEN": "bench", "XIMILAR_COLLECTION_ID": "c"}
    command = (
        *(str(environment.python_of("old_gateway")), "-m", "uvicorn", "main:app"),
        *("--app-dir", str(HERE / "peers" / "old_gateway")),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
    )
    return Launch(f"old x {workers}", command, port, environ)


def nginx(behind: str) -> Launch:
    """nginx as a reverse proxy that looks at nothing."""
    port = _free_port()
    settings = HOME / f"nginx-{port}.conf"
    settings.write_text(NGINX.format(home=HOME, upstream=behind.removeprefix("http://"), port=port))
    return Launch("nginx, proxy only", ("nginx", "-e", "stderr", "-c", str(settings)), port, paths="upstream")


def build_upstream() -> None:
    """Compile the server in Ximilar's place."""
    HOME.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-O2", "-o", str(HOME / "upstream"), str(HERE / "upstream.c")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


def _answers(launch: Launch) -> bool:
    path, body = QUESTIONS[launch.paths]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {launch.token}"}
    connection = http.client.HTTPConnection("127.0.0.1", launch.port, timeout=START_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", path, body, headers)
        return connection.getresponse().status == http.client.OK
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
