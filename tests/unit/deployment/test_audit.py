"""What the audit of the pinned packages makes of pip-audit's answer."""

from __future__ import annotations

import pytest

from ops import audit

SOUND = {"name": "falcon", "version": "4.1.0", "vulns": []}
UNKNOWN = {"name": "yarl", "skip_reason": "Dependency not found on PyPI"}
BROKEN = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"], "aliases": [], "description": ""}],
}


def test_a_finding_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.show([SOUND, BROKEN, UNKNOWN]) == 1
    assert "jinja2 3.1.0: PYSEC-1, fixed in 3.1.6" in capsys.readouterr().out


def test_what_could_not_be_looked_up_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.show([SOUND, UNKNOWN]) == 0
    assert "1 of 2: yarl" in capsys.readouterr().out


def test_nothing_looked_up_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.show([UNKNOWN, UNKNOWN]) == 0
    assert capsys.readouterr().out.startswith("SKIPPED")


def test_sound_packages_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.show([SOUND]) == 0
    assert capsys.readouterr().out == "1 packages audited, 0 findings\n"
