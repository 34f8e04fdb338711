"""The console as it is started in production: gunicorn, from the environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import requests

from tests.fix_postgres import Database
from tests.fix_system import ROOT, wait_until

COMMAND = [
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "web/console/gunicorn.conf.py",
    "web.console.wsgi:application",
]


def test_it_starts_answers_and_ends(database: Database, users_file: Path, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    environ = {
        **os.environ,
        "STAGING_DB_URL": database.url,
        "CONSOLE_USERS_FILE": str(users_file),
        "CONSOLE_PORT": "0",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(COMMAND, cwd=ROOT, env=environ, stdout=out, stderr=subprocess.STDOUT)
    try:
        listening = re.compile(r"Listening at: (http://[0-9.:]+)")
        wait_until(lambda: bool(listening.search(log.read_text())), 30, log.read_text)
        found = listening.search(log.read_text())
        assert found
        login = requests.get(f"{found.group(1)}/login", timeout=20)
        assert login.status_code == 200
        assert "Sign in" in login.text
    finally:
        process.terminate()
        code = process.wait(40)
    assert code == 0
    password = database.url.split(":")[2].split("@")[0]
    assert password not in log.read_text()


def test_it_says_what_is_missing() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert "STAGING_DB_URL is not set" in done.stderr
