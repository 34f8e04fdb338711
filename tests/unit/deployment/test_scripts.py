"""The shell scripts: strict, and of one manner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted((ROOT / "ops/scripts").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_strict_and_executable(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert any(line in text for line in ("\nset -euo pipefail\n", "\nset -Eeuo pipefail\n"))
    assert os.access(script, os.X_OK)
