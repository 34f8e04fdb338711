"""What ops/docs/operations.md tells to type, typed: on a system at work, and at a gateway."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.compose import probe
from ops.local.loopback import HOST, free_port
from tests.fix_system import IMAGES, ROOT, System, wait_until
from tests.integration.deployment import documents

PAGE = "operations.md"
BY_HAND = "Ask the gateway by hand"
GATEWAY = "10.1.0.12:8001"
PHOTO = "https://example.com/photo.jpg"
# Exit code 1 says that there are products in error, which there are.
REPORTS_BY_CODE = "ximilar-sync errors\n"


@pytest.fixture
def commands(tmp_path: Path) -> str:
    """PATH with the programs of this virtual environment, by the names that the page uses."""
    for name, module in (("ximilar-sync", "procrastinate_app"), ("procrastinate", "procrastinate")):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        script.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.fixture
def gateway(system: System) -> Iterator[str]:
    """A gateway over the emulator, started as its unit starts it; yields host and port."""
    port = str(free_port())
    command = (
        (ROOT / "ops/systemd/ximilar-gateway.service").read_text().split("ExecStart=")[1].splitlines()[0]
    )
    executable, *arguments = command.split()
    program = [sys.executable, "-m", Path(executable).name, *arguments]
    environ = {**system.environ, "HOST": HOST, "PORT": port, "WORKERS": "1"}
    log = system.folder / "gateway.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(program, cwd=ROOT, env=environ, stdout=out, stderr=out) as process,
    ):
        wait_until(lambda: process.poll() is not None or probe.main([port, "/livez"]) == 0, 30, log.read_text)
        yield f"{HOST}:{port}"
        process.terminate()


def test_commands_for_a_day_and_a_week_work(system: System, commands: str) -> None:
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed (apt-get install postgresql-client)")
    system.add_products(3, photos=1)
    system.query("UPDATE raw_products SET image_urls = '[]' WHERE external_id = 'SKU-0002' RETURNING 1")
    system.worker()
    system.defer("ximilar_sync")
    system.wait_for_logs(1)
    environ = {**system.environ, "PATH": commands}
    found = [block for block in documents.runnable(PAGE) if block.heading != BY_HAND]
    assert len(found) >= 4

    for block in found:
        done = documents.run(block.text, environ)
        assert done.returncode == (1 if block.text == REPORTS_BY_CODE else 0), f"{block.text}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_gateway_answers_what_is_asked_by_hand(system: System, gateway: str) -> None:
    (block,) = documents.runnable(PAGE, BY_HAND)
    assert GATEWAY in block.text
    assert PHOTO in block.text
    photo = f"{system.photos_url}/{min(path.name for path in IMAGES.glob('*.jpg'))}"

    done = documents.run(block.text.replace(GATEWAY, gateway).replace(PHOTO, photo), system.environ)

    assert done.returncode == 0, done.stderr
    assert '"ximilar_reachable":true' in done.stdout.replace(" ", "")
    assert '"items":[' in done.stdout.replace(" ", "")


def test_probe_tells_health_from_its_absence(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = gateway.split(":")[1]
    assert probe.main([port, "/livez"]) == 0
    assert probe.main([port, "/nowhere"]) == 1
    assert probe.main([str(free_port()), "/livez"]) == 1
    assert probe.main(["port"]) == 2
    assert "answered 404" in capsys.readouterr().err
