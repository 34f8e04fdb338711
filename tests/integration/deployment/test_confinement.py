"""The programs as containers and units confine them: nothing to write but memory, no privilege, no writable code."""

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
from tests.fix_system import ROOT, System, wait_until

# A mount namespace whose root is read-only, down to /dev/shm; then no privilege is left.
CONFINED = """
set -eu
mount --make-rprivate /
mount -o remount,bind,ro /
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
# As systemd's MemoryDenyWriteExecute: PR_SET_MDWE (65) with PR_MDWE_REFUSE_EXEC_GAIN, kept over exec; Linux 6.3.
WITHOUT_WRITABLE_CODE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: what the tmpfs at /tmp is for a container."""
    folder = Path(f"/dev/shm/ximilar-sync-test-{os.getpid()}")  # noqa: S108 - made here, removed here
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


def confined(memory: Path, *arguments: str) -> list[str]:
    """The command that runs `python ...` in confinement."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("needs root, unshare and setpriv")
    confine = ["unshare", "--mount", "sh", "-c", CONFINED, "sh"]
    if subprocess.run([*confine, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no read-only mounts here")
    if subprocess.run([*confine, "test", "-w", str(ROOT)], check=False).returncode == 0:
        pytest.skip("the project lies on a mount of its own")
    return [*confine, sys.executable, "-c", WITHOUT_WRITABLE_CODE, *arguments]


def test_confinement_confines(memory: Path) -> None:
    writable_code = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    assert subprocess.run(confined(memory, "-c", writable_code), capture_output=True).returncode != 0
    write = f"open({str(ROOT / 'written')!r}, 'w')"
    assert b"Read-only" in subprocess.run(confined(memory, "-c", write), capture_output=True).stderr
    write = f"open({str(memory / 'written')!r}, 'w')"
    assert subprocess.run(confined(memory, "-c", write), capture_output=True).returncode == 0


def test_gateway_runs_confined(system: System, memory: Path) -> None:
    port = str(free_port())
    gunicorn = ("-m", "gunicorn", "-c", "web/gateway/gunicorn.conf.py", "web.gateway.wsgi:application")
    environ = {
        **system.environ,
        **{"HOME": str(memory), "TMPDIR": str(memory), "PYTHONDONTWRITEBYTECODE": "1"},
        **{"HOST": HOST, "PORT": port, "WORKERS": "2", "PROMETHEUS_MULTIPROC_DIR": str(memory / "metrics")},
    }
    log = system.folder / "gateway.log"
    command = confined(memory, *gunicorn)
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out) as process,
    ):
        wait_until(
            lambda: process.poll() is not None or probe.main([port, "/readyz"]) == 0, 30, log.read_text
        )
        assert probe.main([port, "/metrics"]) == 0
        process.terminate()
        assert process.wait(45) == 0, log.read_text()


def test_worker_runs_confined(system: System, memory: Path) -> None:
    system.add_products(2, photos=1)
    worker = system.worker(
        *confined(memory, "-m", "procrastinate_app", "worker"),
        HOME=str(memory),
        TMPDIR=str(memory),
        PYTHONDONTWRITEBYTECODE="1",
    )
    system.defer("ximilar_sync")
    system.wait_for_states(30, synced=2)
    assert worker.end() == 0
    assert not list(memory.iterdir())
