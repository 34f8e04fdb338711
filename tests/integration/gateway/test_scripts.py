"""The scripts that operators run against a gateway."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from .conftest import StartGateway
from .servers import ROOT, Gateway

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


def _run(script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "ops/scripts" / script), *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_health_check(shared_gateway: Gateway) -> None:
    healthy = _run("health-check.sh", shared_gateway.url)
    assert (healthy.returncode, healthy.stdout.split(":")[0]) == (0, "OK")
    assert _run("health-check.sh", "http://127.0.0.1:1").returncode == 1


def test_health_check_tells_why(start_gateway: StartGateway) -> None:
    unready = _run("health-check.sh", start_gateway(XIMILAR_API_TOKEN="").url)
    assert unready.returncode == 2
    assert "XIMILAR_API_TOKEN" in unready.stderr
    cut_off = _run("health-check.sh", GATEWAY_URL=start_gateway(XIMILAR_API_URL="http://127.0.0.1:1").url)
    assert cut_off.returncode == 3


def test_detect(shared_gateway: Gateway) -> None:
    refused = _run("test-detect.sh", 'https://cdn.example.com/a "b"\\.jpg', shared_gateway.url)
    assert refused.returncode == 1
    assert "\n422 " in refused.stdout
    done = _run("test-detect.sh", "https://cdn.example.com/a.jpg", shared_gateway.url, GATEWAY_TOKEN="t0ken")
    assert done.returncode == 0
    assert "Jacket" in done.stdout
    assert _run("test-detect.sh").returncode == 64
