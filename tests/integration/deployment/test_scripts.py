"""The shell scripts over stand-ins for docker, systemctl and the rest, which write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STAND_INS = ("docker", "systemctl", "journalctl", "cp")
# Every stand-in writes its call down, fails where it is told to, and lists two units when it is asked for them.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
    $FAIL) exit 1 ;;
    list-units*) echo "ximilar-worker.service loaded active"; echo "ximilar-exporter.service loaded active" ;;
esac
"""


@dataclass(slots=True)
class Host:
    """A clone of a small repository that has our scripts, on a host of stand-ins."""

    origin: Path
    clone: Path
    calls: Path

    def run(self, script: str, *arguments: str, fail: str = "none") -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "CALLS": str(self.calls), "FAIL": fail}
        environ["PATH"] = f"{self.clone.parent}/stand-ins:{os.environ['PATH']}"
        command = [str(self.clone / "ops/scripts" / script), *arguments]
        return subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def configure(self, *lines: str) -> None:
        (self.clone / ".env").write_text("".join(f"{line}\n" for line in lines))

    def publish(self, text: str) -> str:
        """Commit a new version upstream; return its revision."""
        (self.origin / "version").write_text(text)
        git(self.origin, "add", "--all")
        git(self.origin, "commit", "--quiet", "--message", text)
        return git(self.origin, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def host(tmp_path: Path) -> Host:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(ROOT / "ops/scripts", origin / "ops/scripts")
    git(tmp_path, "init", "--quiet", str(origin))
    host = Host(origin, clone, tmp_path / "calls")
    host.publish("one")
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    for folder, names in (
        (tmp_path / "stand-ins", STAND_INS),
        (clone / ".venv/bin", ("python", "ximilar-sync")),
    ):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(STAND_IN)
            (folder / name).chmod(0o755)
    return host


def in_docker(host: Host, *more: str) -> None:
    host.configure("COMPOSE_FILE=ops/compose.yaml", *more)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "sync --wait"),
        (["--retry"], "retry --wait"),
        (["--dry-run"], "sync --dry-run"),
        (["--no-wait"], "sync"),
        (["--retry", "--no-wait"], "retry"),
    ],
)
def test_run_sync_calls_the_command_line(host: Host, arguments: list[str], command: str) -> None:
    assert host.run("run-sync.sh", *arguments).returncode == 0
    in_docker(host)
    assert host.run("run-sync.sh", *arguments).returncode == 0
    assert host.called() == [f"ximilar-sync {command}", f"docker compose exec worker ximilar-sync {command}"]


def test_run_sync_ends_as_the_sync_does(host: Host) -> None:
    assert host.run("run-sync.sh", fail="sync*").returncode == 1


def test_logs_are_those_of_the_programs_asked_for(host: Host) -> None:
    assert host.run("logs.sh").returncode == 0
    assert host.run("logs.sh", "--since", "2 hours ago", "worker", "exporter").returncode == 0
    in_docker(host)
    assert host.run("logs.sh", "--follow", "worker").returncode == 0
    assert host.called() == [
        "journalctl --output cat --no-pager --unit=ximilar-*",
        "journalctl --output cat --no-pager --since 2 hours ago --unit=ximilar-worker --unit=ximilar-exporter",
        "docker compose logs --no-log-prefix --follow worker",
    ]


def test_update_of_containers_migrates_before_it_restarts(host: Host) -> None:
    in_docker(host, "STAGING_DB_URL=postgresql://ximilar@db/unde_staging")
    host.publish("two")

    done = host.run("update.sh")

    assert (done.returncode, (host.clone / "version").read_text()) == (0, "two"), done.stderr
    assert host.called() == [
        "docker compose build",
        "docker compose run --rm --no-deps worker python -m procrastinate_app migrate",
        "docker compose up --detach --remove-orphans --wait --wait-timeout 180",
    ]


def test_update_of_units_installs_migrates_and_restarts_what_runs(host: Host) -> None:
    host.configure("STAGING_DB_URL=postgresql://ximilar@db/unde_staging")
    host.publish("two")

    done = host.run("update.sh")

    assert done.returncode == 0, done.stderr
    calls = [call.partition(" -q")[0] for call in host.called()]
    assert calls == [
        *["python -m pip install"] * 3,
        "python -m procrastinate_app migrate",
        "systemctl list-units --type=service --plain --no-legend ximilar-*",
        "cp -r ops/systemd/. /etc/systemd/system/",
        "systemctl daemon-reload",
        "systemctl restart ximilar-worker.service ximilar-exporter.service",
        "systemctl is-active ximilar-worker.service ximilar-exporter.service",
    ]


@pytest.mark.parametrize("value", ["", "xxx"])
def test_update_of_a_gateway_host_migrates_nothing(host: Host, value: str) -> None:
    in_docker(host, f"STAGING_DB_URL={value}")
    assert host.run("update.sh").returncode == 0
    assert not [call for call in host.called() if "migrate" in call]


@pytest.mark.parametrize(("fail", "last"), [("compose build", "build"), ("compose run*", "migrate")])
def test_update_that_fails_leaves_the_running_programs_alone(host: Host, fail: str, last: str) -> None:
    in_docker(host, "STAGING_DB_URL=postgresql://ximilar@db/unde_staging")

    done = host.run("update.sh", fail=fail)

    assert done.returncode == 1
    assert "did not end well" in done.stderr
    assert host.called()[-1].endswith(last)


def test_update_leads_back_to_an_earlier_version(host: Host) -> None:
    in_docker(host)
    first = git(host.clone, "rev-parse", "HEAD").strip()
    host.publish("two")
    assert host.run("update.sh").returncode == 0

    assert host.run("update.sh", "--to", first).returncode == 0

    assert (host.clone / "version").read_text() == "one"


def test_update_refuses_a_tree_with_changes_of_its_own(host: Host) -> None:
    in_docker(host)
    host.publish("two")
    (host.clone / "version").write_text("edited here")
    assert host.run("update.sh").returncode == 1
    assert host.called() == []


@pytest.mark.parametrize("name", ["run-sync.sh", "logs.sh", "update.sh"])
def test_help_is_given_and_nonsense_refused(host: Host, name: str) -> None:
    helped = host.run(name, "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith(f"usage: ops/scripts/{name}")
    refused = host.run(name, "--nonsense")
    assert refused.returncode == 2
    assert "usage:" in refused.stderr
    assert host.called() == []
