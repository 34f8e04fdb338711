"""schemathesis against openapi.json, with Ximilar well, limiting, failing and raving; any 500 fails."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .servers import ROOT, Gateway, Reply, ScriptedUpstream

HOOKS = "tests.integration.gateway.schemathesis_hooks"
MOODS: dict[str, Reply | None] = {
    "well": None,
    "limiting": (429, b'{"status":{"code":429}}', {"Retry-After": "60"}),
    "failing": (503, b"down", {}),
    "raving": (200, b'<html>{"status": 200', {}),
}
EXPECTED = {"well": [], "limiting": [503], "failing": [503], "raving": [502]}


# In `fashion` photos are fetched, and how long a name that nobody has is looked for is up to the resolver.
MOST_SECONDS = {"recognition": "2", "fashion": "30"}


@pytest.fixture(scope="module", params=["recognition", "fashion"])
def profile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None,
    reason="schemathesis is not installed: pip install .[dev]",
)
@pytest.mark.parametrize("mood", MOODS)
def test_no_request_is_answered_otherwise_than_described(
    mood: str, profile: str, shared_gateway: Gateway, scripted: ScriptedUpstream, tmp_path: Path
) -> None:
    scripted.script = lambda method, number: MOODS[mood]
    config = tmp_path / "schemathesis.toml"
    # 504: it also asks for time limits of next to nothing.
    given = json.dumps(["2xx", "4xx", 504, *EXPECTED[mood]])
    accepted = json.dumps(["2xx", 404, 422, 504, *EXPECTED[mood]])
    # 404: nobody can make up the address of a crop; 422: not every address is a public one
    config.write_text(
        f"[checks]\nnot_a_server_error.expected-statuses = {given}\n"
        f"positive_data_acceptance.expected-statuses = {accepted}\n"
    )
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
        *("run", str(ROOT / "web/gateway/openapi.json"), "--url", shared_gateway.url, "--checks", "all"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "12", "--seed", "1"),
        *("--max-response-time", MOST_SECONDS[profile]),
    ]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not shared_gateway.lines("bug")
