"""The look-out for secrets sees them: a test that shows one in whatever way fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import canaries

ROOT = Path(__file__).parents[2]
SHOWS = {
    "print(SECRET)": True,
    "logging.getLogger('x').warning('%s', SECRET)": True,
    "raise ValueError(SECRET)": True,
    "sys.stderr.write(SECRET)": True,
    "os.write(1, SECRET.encode())": True,
    "(tmp_path / 'program.log').write_text(SECRET)": True,
    "print(len(SECRET))": False,
    "(tmp_path / 'tokens').write_text(SECRET)": False,
}


@pytest.mark.parametrize("statement", SHOWS)
def test_a_secret_that_shows_fails_the_test(tmp_path: Path, statement: str) -> None:
    lines = (
        "import logging, os, sys",
        "from tests.canaries import PLANTED",
        "SECRET = PLANTED['token']",
        f"def test_it(tmp_path):\n    {statement}",
    )
    (tmp_path / "test_showing.py").write_text("\n".join(lines))
    options = ("-p", "tests.fix_canaries", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-q")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", str(tmp_path / "test_showing.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ("secrets shown: " in done.stdout) == SHOWS[statement], done.stdout
    assert (done.returncode == 1) == SHOWS[statement]


def test_a_finding_does_not_repeat_the_secret() -> None:
    secret = canaries.PLANTED["token"]
    assert canaries.shown_in(f"a line with {secret} in it") == ["canary-token"]
    assert secret not in str(canaries.shown_in(secret))
