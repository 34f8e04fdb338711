"""The look-out for secrets sees them: a test that shows one in whatever way fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

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


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Element]:
    """{statement: the report of a test that consists of it}, of one session of pytest."""
    folder = tmp_path_factory.mktemp("showing")
    lines = ["import logging, os, sys", "from tests.canaries import PLANTED", "SECRET = PLANTED['token']"]
    lines += [f"def test_{number}(tmp_path):\n    {statement}" for number, statement in enumerate(SHOWS)]
    (folder / "test_showing.py").write_text("\n".join(lines))
    options = ("-p", "tests.fix_canaries", "-p", "no:cacheprovider", "--rootdir", str(folder), "-q")
    files = ("-c", "/dev/null", "--junit-xml", str(folder / "report.xml"), str(folder / "test_showing.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")  # noqa: S314  of our own making
    found = {case.attrib["name"]: case for case in cases}
    return {statement: found[f"test_{number}"] for number, statement in enumerate(SHOWS)}


@pytest.mark.parametrize("statement", SHOWS)
def test_a_secret_that_shows_fails_the_test(reports: dict[str, Element], statement: str) -> None:
    complaints = [*reports[statement].iter("failure"), *reports[statement].iter("error")]
    assert bool(complaints) == SHOWS[statement]
    assert all("secrets shown: " in "".join(complaint.itertext()) for complaint in complaints)


def test_a_finding_does_not_repeat_the_secret() -> None:
    secret = canaries.PLANTED["token"]
    assert canaries.shown_in(f"a line with {secret} in it") == ["canary-token"]
    assert secret not in str(canaries.shown_in(secret))
