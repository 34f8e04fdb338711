"""The systemd units against what the rest of the project says."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from procrastinate_app import deadlines

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "ops/systemd"
PROGRAMS = sorted(path.name for path in FOLDER.glob("ximilar-*.service"))
INSTALLED = "/opt/ximilar-sync"
CONTRACT_COMMANDS = {
    "ximilar-worker.service": "python -m procrastinate_app worker",
    "ximilar-exporter.service": "python -m procrastinate_app exporter",
    "ximilar-gateway.service": "gunicorn -c web/gateway/gunicorn.conf.py web.gateway.wsgi:application",
    "ximilar-console.service": "gunicorn -c web/console/gunicorn.conf.py web.console.wsgi:application",
}


def effective(unit: str) -> configparser.RawConfigParser:
    """A unit with what all programs have in common; of keys written twice the last one."""
    parser = configparser.RawConfigParser(strict=False)
    for path in (*sorted(FOLDER.glob("ximilar-.service.d/*.conf")), FOLDER / unit):
        parser.read_string(path.read_text().replace("\\\n", " "))
    return parser


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
