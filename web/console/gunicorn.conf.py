"""gunicorn's settings for the console, from the environment; the reason is beside each value."""

from __future__ import annotations

import os
import sys
from typing import Any

from procrastinate_app import environment
from web.console.settings import ConsoleSettings
from web.console.start import announce, demand_database_url

try:
    _settings = ConsoleSettings.from_env(environment.load())
    demand_database_url(_settings)
except environment.SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(environment.EX_CONFIG)

bind = _settings.bind
workers = 1  # failed sign-ins, ended sessions and remembered counts live in one process
worker_class = "gthread"
threads = 8
backlog = 128

timeout = 60  # a retry of everything works for 25 s in one request
graceful_timeout = 35
keepalive = 15

limit_request_line = 4096
limit_request_fields = 50
limit_request_field_size = 8190
forwarded_allow_ips = "127.0.0.1,::1"  # a proxy on this machine may say that it speaks TLS

control_socket_disable = True  # it would write under $HOME, which may be read-only
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - heartbeats must not wait for a disk

accesslog = None  # what operators do is in the audit table
errorlog = "-"
loglevel = _settings.log_level
logger_class = "web.console.start.GunicornLogger"


def on_starting(_server: Any) -> None:
    """Once, before the process that answers."""
    announce(_settings)
