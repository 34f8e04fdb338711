"""A real HAProxy with the project's own configuration, in front of two gateways."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import requests

from ops.local.loopback import HOST, free_port
from tests.fix_system import wait_until

CONFIGURATION = Path(__file__).parents[1] / "ops/proxy/haproxy.cfg"


@contextlib.contextmanager
def running(
    first: str,
    second: str,
    *,
    configuration: Path = CONFIGURATION,
    output: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[str]:
    """Yield the base URL of a proxy in front of two addresses (host:port); skip where there is no HAProxy."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("HAProxy is not installed (apt-get install haproxy)")
    bind = f"{HOST}:{free_port()}"
    variables = {"GATEWAY_BIND": bind, "GATEWAY_1": first, "GATEWAY_2": second}
    command = [program, "-db", "-f", str(configuration)]
    with subprocess.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: process.poll() is not None or status(f"http://{bind}/readyz") == 200, 15)
            yield f"http://{bind}"
        finally:
            process.terminate()


def status(url: str) -> int:
    """The HTTP status of a GET; 0 without a connection."""
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0
