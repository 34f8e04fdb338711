"""The systemd units, by systemd itself and against what the rest of the project says."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from procrastinate_app import deadlines

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "ops/systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
PROGRAMS = [name for name in UNITS if name.startswith("ximilar-")]
LEAST_VERSION = 250
EXPOSURE = 20  # in tenths
INSTALLED = "/opt/ximilar-sync"
CONTRACT_COMMANDS = {
    "ximilar-worker.service": "python -m procrastinate_app worker",
    "ximilar-exporter.service": "python -m procrastinate_app exporter",
    "ximilar-gateway.service": "gunicorn -c web/gateway/gunicorn.conf.py web.gateway.wsgi:application",
    "ximilar-console.service": "gunicorn -c web/console/gunicorn.conf.py web.console.wsgi:application",
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine on which the units are installed, and their programs too."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(FOLDER, units)
    for name in ("basic", "shutdown", "sysinit", "network-online", "multi-user"):
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    for name in UNITS:
        program = re.findall(r"ExecStart=(\S+)", (FOLDER / name).read_text())[0]
        executable = tmp_path / program.removeprefix("/")
        executable.parent.mkdir(parents=True, exist_ok=True)
        executable.touch(mode=0o755)
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/kill").touch(mode=0o755)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"systemd (\d+)", version)
    if found is None or int(found[1]) < LEAST_VERSION:
        pytest.skip(f"systemd-analyze is older than {LEAST_VERSION}")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def effective(unit: str) -> configparser.RawConfigParser:
    """A unit with what all programs have in common; of keys written twice the last one."""
    parser = configparser.RawConfigParser(strict=False)
    for path in (*sorted(FOLDER.glob("ximilar-.service.d/*.conf")), FOLDER / unit):
        parser.read_string(path.read_text().replace("\\\n", " "))
    return parser


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(machine: Path, unit: str) -> None:
    done = analyze(f"--root={machine}", "verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_low(machine: Path, unit: str) -> None:
    done = analyze(f"--root={machine}", "security", "--offline=yes", f"--threshold={EXPOSURE}", unit)
    assert done.returncode == 0, done.stdout


def test_a_unit_without_hardening_would_fail(machine: Path) -> None:
    (machine / "etc/systemd/system/naked.service").write_text("[Service]\nExecStart=/bin/kill\n")
    done = analyze(
        f"--root={machine}", "security", "--offline=yes", f"--threshold={EXPOSURE}", "naked.service"
    )
    assert done.returncode != 0


@pytest.mark.parametrize("unit", PROGRAMS)
def test_program_ends_in_order_and_comes_back(unit: str) -> None:
    service = effective(unit)["Service"]
    assert service["Restart"] == "always"
    assert float(service["TimeoutStopSec"]) >= deadlines.STOP
    assert service["KillMode"] == "mixed"
    assert effective(unit)["Unit"]["StartLimitIntervalSec"] == "0"
    assert effective(unit)["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("unit", PROGRAMS)
def test_program_is_started_as_the_contract_says(unit: str) -> None:
    service = effective(unit)["Service"]
    assert service["ExecStart"].removeprefix(f"{INSTALLED}/.venv/bin/") == CONTRACT_COMMANDS[unit]
    assert service["WorkingDirectory"] == INSTALLED
    assert service["EnvironmentFile"] == f"{INSTALLED}/.env"
    assert "XIMILAR_ENV_FILE= " in service["Environment"]


def test_memory_is_that_of_the_containers() -> None:
    limits = {unit: effective(unit)["Service"]["MemoryMax"] for unit in PROGRAMS}
    assert limits["ximilar-worker.service"] == "1G"
    assert limits["ximilar-gateway.service"] == "2G"


def test_workers_see_each_other() -> None:
    """A worker that cannot see a living one in /proc takes it for dead, and its jobs away."""
    assert effective("ximilar-worker.service")["Service"]["ProtectProc"] == "default"
    assert effective("ximilar-gateway.service")["Service"]["ProtectProc"] == "invisible"
