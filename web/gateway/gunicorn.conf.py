"""gunicorn's settings for the gateway, from the environment; the reason is beside each value.

Deadlines, each longer than the one inside it: connection to Ximilar 5 s < request 30 s < graceful end 35 s <
a process that does not beat is killed 45 s. Whoever supervises gunicorn should give it 40 s to stop.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

# structlog takes in rich where it is installed, for tracebacks in colour, which are not shown here: a tenth of the
# memory of a process and a fifth of its start.
sys.modules["rich"] = None  # type: ignore[assignment]
# This file is read again at a reload, which takes up new versions of all our modules: none may stay as it was.
for _name in [name for name in sys.modules if name.partition(".")[0] in ("procrastinate_app", "web")]:
    del sys.modules[_name]
gc.unfreeze()
gc.collect()  # what the reload before has replaced

from procrastinate_app import environment  # noqa: E402
from procrastinate_app.ximilar import profiles  # noqa: E402
from web.gateway import shared_folder  # noqa: E402
from web.gateway.callers import Callers, TokensFileError  # noqa: E402
from web.gateway.settings import GatewaySettings  # noqa: E402
from web.gateway.start import announce  # noqa: E402

try:
    _settings = GatewaySettings.from_env(environment.load())
    if _settings.tokens_file:
        Callers(_settings.tokens_file)
except environment.SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(environment.EX_CONFIG)
except TokensFileError as error:
    sys.stderr.write(f"GATEWAY_TOKENS_FILE {error}\n")
    sys.exit(environment.EX_CONFIG)

# Before anything imports prometheus_client, which looks for it once.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared_folder.claim(os.environ)
# It holds those of what a reload replaces for good.
importlib.import_module("prometheus_client.values").close_all_multiprocess_files()
# The application is made here and not by each process: they start sooner, and share its memory.
try:
    for _module in ("web.gateway.wsgi", "web.gateway.worker", "uvloop"):
        importlib.import_module(_module)
except Exception:
    shared_folder.release(os.environ["PROMETHEUS_MULTIPROC_DIR"])  # gunicorn ends without on_exit
    raise
shared_folder.forget(os.environ["PROMETHEUS_MULTIPROC_DIR"], os.getpid())  # this process counts nothing
# Where crops are cut for /recognize alone, each process imports these with its first photo, if ever there is one.
if _settings.signs_crops or not profiles.make(_settings).gives_crops:
    importlib.import_module("aiohttp")
    importlib.import_module("PIL.Image").init()

bind = _settings.bind
workers = _settings.workers
worker_class = "web.gateway.worker.GatewayWorker"
worker_connections = _settings.connections
backlog = 2048

timeout = 45
graceful_timeout = int(_settings.deadline) + 5
keepalive = 75  # longer than clients keep idle connections, so that it is they who close them
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10  # not all at once
asgi_disconnect_grace_period = 0  # a client that left needs no answer; what it asked goes on by itself

http_parser = "python"  # the C one, where it is installed, lets folded header lines pass
limit_request_line = 4096
limit_request_fields = 50
limit_request_field_size = 8190
forwarded_allow_ips = "127.0.0.1"

control_socket_disable = True  # it would write under $HOME, which may be read-only
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - heartbeats must not wait for a disk

accesslog = None  # our own has the request id and does not cost a fifth of the speed
errorlog = "-"
loglevel = _settings.log_level
logger_class = "web.gateway.start.GunicornLogger"


def on_starting(_server: Any) -> None:
    """Once, before the first process; not on a reload."""
    shared_folder.wipe(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    announce(_settings)


def on_reload(server: Any) -> None:
    """gunicorn keeps the logger it has, which is of the version before."""
    server.log = server.cfg.logger_class(server.cfg)


def pre_fork(_server: Any, _worker: Any) -> None:
    """Keep the garbage collection of the process to come out of the memory it is to share: it writes to all it sees."""
    gc.freeze()


def post_worker_init(_worker: Any) -> None:
    """Let Python look for cyclic garbage seldom, and never in what has been loaded.

    Requests leave none behind; looking for it took an eighth of the time, 30 ms at once where it went through all.
    """
    gc.freeze()
    gc.set_threshold(10_000)


def child_exit(_server: Any, worker: Any) -> None:
    """Take the gauges of a process that has ended off the page."""
    shared_folder.forget(os.environ["PROMETHEUS_MULTIPROC_DIR"], worker.pid)


def on_exit(_server: Any) -> None:
    """Once, after the last process."""
    shared_folder.release(os.environ["PROMETHEUS_MULTIPROC_DIR"])
