"""Prometheus' own tool over our files."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.fix_system import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "ximilar-sync.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "ximilar-sync.tests.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    done = subprocess.run(
        ["promtool", *arguments], cwd=ROOT / "ops/prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
