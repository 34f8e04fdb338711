"""`python -m ops.audit requirements.txt`: are known vulnerabilities among the pinned packages?

Ends with 1 for a finding. Where the database of advisories cannot be reached it says so and ends with 0: pip-audit
itself calls packages "not found" there, and passes.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

ANSWER_SECONDS = 5  # for one package
ALL_SECONDS = 120.0


def main(requirements: str) -> int:
    """Audit a file of requirements with hashes; return the exit code."""
    if importlib.util.find_spec("pip_audit") is None:
        print("pip-audit is not installed: run `make venv`", file=sys.stderr)
        return 1
    try:
        done = subprocess.run(
            _command(requirements), capture_output=True, text=True, timeout=ALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"SKIPPED: the advisories did not come within {ALL_SECONDS:g} s")
        return 0
    try:
        audited = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(f"SKIPPED: no advisories could be had: {last}")
        return 0
    return show(audited)


def show(audited: list[dict[str, Any]]) -> int:
    """Print what pip-audit found of each package; return the exit code."""
    unknown = [package["name"] for package in audited if "skip_reason" in package]
    findings = [(package, found) for package in audited for found in package.get("vulns", ())]
    for package, found in findings:
        fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
        print(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    if len(unknown) == len(audited):
        print(f"SKIPPED: the advisories of none of {len(audited)} packages could be had")
    elif unknown:
        print(f"no advisories could be had of {len(unknown)} of {len(audited)}: {', '.join(unknown)}")
    else:
        print(f"{len(audited)} packages audited, {len(findings)} findings")
    return 1 if findings else 0


def _command(requirements: str) -> list[str]:
    options = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
    limits = ("--timeout", str(ANSWER_SECONDS))
    return [sys.executable, "-m", "pip_audit", *options, *limits, "--requirement", requirements]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
