"""The Compose files against the rules that every container of this project obeys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from procrastinate_app import deadlines

ROOT = Path(__file__).parents[3]
PRODUCTION = ROOT / "ops/compose.yaml"
DEVELOPMENT = ROOT / "ops/compose/development.yaml"
# Images of others that write where they please, or change their user at the start.
WRITES_ITS_ROOT = {"postgres", "grafana"}
STARTS_AS_ROOT = {"postgres"}
ENDS_BY_ITSELF = {"setup"}
PRIVATE = re.compile(r"\$\{PRIVATE_ADDRESS:-(127\.0\.0\.1|10\.[\d.]+)\}|127\.0\.0\.1")
CONTRACT_COMMANDS = {
    "worker": "python -m procrastinate_app worker",
    "exporter": "python -m procrastinate_app exporter",
    "gateway": "gunicorn -c web/gateway/gunicorn.conf.py web.gateway.wsgi:application",
    "console": "gunicorn -c web/console/gunicorn.conf.py web.console.wsgi:application",
}


def services(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["services"]
    return found


CASES = [
    pytest.param(name, service, id=f"{path.name}:{name}")
    for path in (PRODUCTION, DEVELOPMENT)
    for name, service in services(path).items()
]


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    assert found, text
    return float(found[1])


@pytest.mark.parametrize(("name", "service"), CASES)
def test_service_is_bounded(name: str, service: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
    assert service["restart"] == ("no" if name in ENDS_BY_ITSELF else "unless-stopped")
    assert seconds(service["stop_grace_period"]) >= deadlines.STOP
    assert name in ENDS_BY_ITSELF or service["healthcheck"]["test"]


@pytest.mark.parametrize(("name", "service"), CASES)
def test_service_has_no_privilege(name: str, service: dict[str, Any]) -> None:
    assert "privileged" not in service
    assert "network_mode" not in service
    assert not any("docker.sock" in volume for volume in service.get("volumes", ()))
    if name not in STARTS_AS_ROOT:
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] <= 256
    if name not in WRITES_ITS_ROOT:
        assert service["read_only"] is True


@pytest.mark.parametrize(("name", "service"), CASES)
def test_ports_are_published_on_private_addresses_only(name: str, service: dict[str, Any]) -> None:
    for port in service.get("ports", ()):
        address = port.rsplit(":", 2)[0]
        assert PRIVATE.fullmatch(address), f"{name} publishes {port}"


@pytest.mark.parametrize(("name", "service"), CASES)
def test_images_of_others_are_pinned(name: str, service: dict[str, Any]) -> None:
    if "build" not in service:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-\w+)?", service["image"]), service["image"]


@pytest.mark.parametrize("path", [PRODUCTION, DEVELOPMENT])
def test_programs_are_started_as_the_contract_says(path: Path) -> None:
    found = {name: " ".join(service.get("command", ())) for name, service in services(path).items()}
    assert {name: found[name] for name in CONTRACT_COMMANDS} == CONTRACT_COMMANDS


def test_production_limits() -> None:
    found = services(PRODUCTION)
    assert (found["worker"]["mem_limit"], found["gateway"]["mem_limit"]) == ("1g", "2g")
    for service in found.values():
        assert service["memswap_limit"] == service["mem_limit"]
    assert found["gateway"]["ports"] == ["${PRIVATE_ADDRESS:-10.1.0.12}:8001:8001"]


def test_production_takes_secrets_from_the_file_only() -> None:
    for service in services(PRODUCTION).values():
        assert (PRODUCTION.parent / service["env_file"]).resolve() == ROOT / ".env"
        assert not [
            name for name in service.get("environment", ()) if re.search("TOKEN|URL|KEY|PASSWORD", name)
        ]


def test_profiles_name_what_runs_on_which_host() -> None:
    found = {name: service["profiles"] for name, service in services(PRODUCTION).items()}
    assert found == {
        "worker": ["worker"],
        "exporter": ["worker"],
        "gateway": ["gateway"],
        "console": ["console"],
    }


def test_development_publishes_on_loopback_and_speaks_to_the_emulator() -> None:
    for service in services(DEVELOPMENT).values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        environment = service.get("environment", {})
        assert environment.get("XIMILAR_API_URL", "http://emulator:9000") == "http://emulator:9000"


@pytest.mark.parametrize("path", [PRODUCTION, DEVELOPMENT])
def test_paths_of_this_tree_exist(path: Path) -> None:
    for name, service in services(path).items():
        build = service.get("build", {})
        context = build if isinstance(build, str) else build.get("context", ".")
        assert (path.parent / context).is_dir()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (path.parent / source).exists(), f"{name}: {source}"
