"""Looks for planted secrets in all that a test leaves behind: output, log records, exceptions, logs of programs.

It is on for every test. Databases and pages of metrics are looked at where they are taken down: `fix_postgres` and
the gateway's `servers`.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests import canaries


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose captured output, log or traceback shows a secret, or that left one in a log."""
    report = yield
    shown = canaries.shown_in("\n".join([report.longreprtext, *(text for _, text in report.sections)]))
    if call.when == "teardown":
        shown += _in_logs(item)
    if shown:
        report.outcome = "failed"
        report.longrepr = f"secrets shown: {', '.join(shown)}"
        report.sections = []
    return report


def _in_logs(item: pytest.Item) -> list[str]:
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    return canaries.shown_below(folder) if isinstance(folder, Path) else []
