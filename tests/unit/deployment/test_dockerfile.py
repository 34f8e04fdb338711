"""The Dockerfile: what a linter cannot know of it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.deployment.recipe import Recipe, context_files

ROOT = Path(__file__).parents[3]


def test_base_is_one_exact_version_of_python_3_12() -> None:
    recipe = Recipe.read(ROOT / "Dockerfile")
    images = {stage.base for stage in recipe.stages if stage.base not in recipe.names}
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.12\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", images.pop())


def test_release_is_the_default_and_runs_without_privileges() -> None:
    recipe = Recipe.read(ROOT / "Dockerfile")
    release = recipe.stages[-1]
    assert release.name == "release"
    assert release.arguments("USER") == ["65532:65532"]
    assert not release.arguments("RUN")  # nothing of the build's tools or caches
    assert "procrastinate_app" in release.arguments("HEALTHCHECK")[0]
    assert "curl" not in "".join(release.arguments("HEALTHCHECK"))


def test_everything_installed_is_checked_by_hash() -> None:
    recipe = Recipe.read(ROOT / "Dockerfile")
    installs = [
        part
        for stage in recipe.stages
        for run in stage.arguments("RUN")
        for part in run.split("&&")
        if "pip install" in part
    ]
    assert len(installs) >= 3
    for install in installs:
        assert "--require-hashes" in install or "--no-deps --no-build-isolation --editable ." in install


def test_run_lines_name_no_absolute_path() -> None:
    """So that the rehearsal of the build, below a temporary folder, runs the very same commands."""
    for run in Recipe.read(ROOT / "Dockerfile").stages[0].arguments("RUN"):
        assert not re.search(r"(^|[\s\"'=])/", run), run


def test_build_pin_is_that_of_development() -> None:
    pins = (ROOT / "ops/compose/requirements-build.txt").read_text().split("\n", 1)[1]
    assert pins.strip() in (ROOT / "ops/requirements-dev.txt").read_text()


def test_nothing_private_enters_the_image() -> None:
    files = [path.as_posix() for path in context_files(ROOT)]
    assert "procrastinate_app/main.py" in files
    assert "sql/grants.sql" in files
    assert "ops/compose/requirements-build.txt" in files
    private = re.compile(r"(^|/)(\.env|\.git|\.local|\.venv|tests|__pycache__)(/|$)")
    assert not [name for name in files if private.search(name)]
