"""The build of the image, rehearsed: the instructions of the Dockerfile's first stage, in a clean folder.

No container engine is needed; what they install comes from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.deployment.recipe import Recipe, Rehearsal

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(400)  # it installs everything

UNREACHABLE = (
    "NewConnectionError",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """What the image holds, below a folder of its own."""
    root = tmp_path_factory.mktemp("image")
    recipe = Recipe.read(ROOT / "Dockerfile")
    build, release = recipe.stages[0], recipe.stages[-1]
    environ = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))},
        "PATH": f"{_base_image(root / 'base')}:/usr/bin:/bin",
        "HOME": str(root / "home"),
    }
    rehearsal = Rehearsal(root, ROOT, environ)
    try:
        rehearsal.carry_out(build)
    except subprocess.CalledProcessError:
        if any(sign in rehearsal.output for sign in UNREACHABLE):
            pytest.skip("no package index can be reached")
        pytest.fail(rehearsal.output[-3000:])
    (root / "tmp").mkdir()
    for argument in release.arguments("ENV"):
        rehearsal.set(argument)
    yield rehearsal
    shutil.rmtree(root, ignore_errors=True)


def run(built: Rehearsal, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=built.folder,
        env={**built.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command_line_works(built: Rehearsal) -> None:
    done = run(built, "ximilar-sync", "--help")
    assert done.returncode == 0, done.stderr
    assert "migrate" in done.stdout


def test_commands_of_the_image_start(built: Rehearsal) -> None:
    """Each ends at once for want of settings, and says so: it was found, imported and understood."""
    worker = run(built, "python", "-m", "procrastinate_app", "worker")
    assert worker.returncode == 78
    assert "STAGING_DB_URL is not set" in worker.stderr
    health = run(built, "python", "-m", "procrastinate_app", "health")
    assert health.returncode == 78
    exporter = run(built, "python", "-m", "procrastinate_app", "exporter")
    assert exporter.returncode == 78, exporter.stderr
    assert run(built, "python", "-m", "ops.compose.probe").returncode == 2


@pytest.mark.parametrize("program", ["gateway", "console"])
def test_gunicorn_accepts_its_configuration(built: Rehearsal, program: str) -> None:
    configuration = f"web/{program}/gunicorn.conf.py"
    application = f"web.{program}.wsgi:application"
    url = "postgresql://ximilar@localhost/unde_staging"
    done = run(built, "gunicorn", "--check-config", "-c", configuration, application, STAGING_DB_URL=url)
    assert done.returncode == 0, done.stderr


def test_programs_write_nothing_beside_their_code(built: Rehearsal) -> None:
    before = set(built.folder.rglob("*"))
    assert "XIMILAR_API_TOKEN is not set" in run(built, "ximilar-sync", "config").stdout
    assert run(built, "python", "-c", "import web.gateway.app").returncode == 0
    assert set(built.folder.rglob("*")) == before


def test_build_tools_stay_out(built: Rehearsal) -> None:
    done = run(built, "python", "-m", "pip", "list", "--format=freeze")
    names = {line.split("==")[0] for line in done.stdout.splitlines()}
    assert "procrastinate" in names
    assert not names & {"setuptools", "wheel", "pytest", "mypy", "ruff"}
    assert run(built, "python", "-m", "pip", "check").returncode == 0


def _base_image(folder: Path) -> Path:
    """A folder with `python`: the version of the image's base, where this machine has it, else our own."""
    folder.mkdir()
    shim = folder / "python"
    shim.write_text(f'#!/bin/sh\nexec {_python()} "$@"\n')
    shim.chmod(0o755)
    return folder


def _python() -> str:
    version = Recipe.read(ROOT / "Dockerfile").stages[0].base.removeprefix("python:").rsplit(".", 1)[0]
    installed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    candidates = [shutil.which(f"python{version}"), *map(str, installed)]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return candidate
    return sys.executable
