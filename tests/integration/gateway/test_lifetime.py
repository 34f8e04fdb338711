"""A real gunicorn reloaded, recycled, killed and stopped under load, with the lost requests counted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import requests

from web.gateway.version import version

from .conftest import StartGateway
from .load import Load, serve_more
from .servers import ROOT, Gateway, ScriptedUpstream, reload, wait_for


def test_reload_loses_nothing(two_workers: Gateway, upstream: ScriptedUpstream) -> None:
    gateway = two_workers
    upstream.delay = 0.02
    with Load(gateway.url) as load:
        for _ in range(3):
            reload(gateway)
            serve_more(load, 200)
    assert load.lost == {}
    assert load.done > 600


def test_recycling_loses_nothing(start_gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    upstream.delay = 0.01
    gateway = start_gateway(GATEWAY_MAX_REQUESTS="300", WORKERS="2")
    seen: set[int] = set()

    def replaced_often() -> bool:
        seen.update(gateway.workers)
        return load.done > 1500 and len(seen) >= 6

    with Load(gateway.url) as load:
        wait_for(replaced_often, 40)
    assert load.lost == {}


def test_kill_costs_only_what_was_in_flight(two_workers: Gateway, upstream: ScriptedUpstream) -> None:
    gateway = two_workers
    upstream.delay = 0.05
    with Load(gateway.url, clients=16) as load:
        wait_for(lambda: load.done > 200)
        os.kill(gateway.workers[0], signal.SIGKILL)
        wait_for(lambda: len(gateway.workers) == 2)
        serve_more(load, 200)
    assert sum(load.lost.values()) <= 16


def test_stop_finishes_what_is_in_flight(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.delay = 1.0
    with Load(gateway.url, clients=8) as load:
        wait_for(lambda: len(upstream.calls) >= 8)
        gateway.signal(signal.SIGTERM)
        load.end()
    assert load.outcomes == {"200": 8}
    gateway.process.wait(10)
    assert gateway.process.returncode == 0


def test_leaving_is_told_to_who_asks(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.delay = 1.5
    with Load(gateway.url, clients=1) as load, requests.Session() as session:
        assert session.get(gateway.url + "/readyz", timeout=5).status_code == 200
        wait_for(lambda: upstream.calls)
        gateway.signal(signal.SIGTERM)
        load.end()
        answers: list[requests.Response] = []

        def leaving() -> bool:
            answers.append(session.get(gateway.url + "/readyz", timeout=5))
            return not answers[-1].ok

        wait_for(leaving)  # gunicorn's master says that it ends before it tells the process
    answer = answers[-1]
    assert (answer.status_code, answer.json()["code"]) == (503, "draining")
    assert answer.headers["Connection"] == "close"
    assert load.outcomes == {"200": 1}


def test_metrics_survive_a_reload_and_forget_dead_processes(two_workers: Gateway) -> None:
    gateway = two_workers
    for number in range(5):
        gateway.post("/detect", {"url": f"https://cdn.example.com/{number}.jpg"})
    reload(gateway)
    assert gateway.metric("http_requests_total", handler="/detect", status="2xx", method="POST") == 5

    def pids() -> set[int]:
        lines = [line for line, _ in gateway.samples("process_start_time_seconds")]
        return {int(line.split('pid="')[1].split('"')[0]) for line in lines}

    wait_for(lambda: pids() == set(gateway.workers))


def test_reloads_leave_no_files_of_metrics_open(gateway: Gateway) -> None:
    maps = Path(f"/proc/{gateway.process.pid}/maps")
    held = maps.read_text().count(".db")
    for _ in range(2):
        reload(gateway)
    assert maps.read_text().count(".db") == held


def test_a_reload_takes_up_a_new_version_of_everything(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Of what the master had loaded for itself, too: a process half old would not start, or err later."""
    gateway = _gateway_of_its_own(tmp_path, {"XIMILAR_API_URL": upstream.url, "WORKERS": "2"}).start()
    try:
        assert gateway.metric("gateway_build_info", version=version()) == 1
        _replace(tmp_path / "web/gateway/version.py", 'metadata.version("ximilar-sync")', '"2.0"')
        _replace(tmp_path / "web/gateway/settings.py", "def bind(", "def listens_at(")
        for module in ("start.py", "gunicorn.conf.py"):
            _replace(tmp_path / "web/gateway" / module, "settings.bind", "settings.listens_at")
        _replace(tmp_path / "procrastinate_app/logs.py", 'fmt="iso"', 'fmt="iso", key="moment"')
        reload(gateway)
        assert gateway.metric("gateway_build_info", version="2.0") == 1
        assert '"moment": ' in gateway.log.read_text()
        assert gateway.metric("gateway_build_info", version=version()) == 0
    finally:
        gateway.stop()


def test_wrong_variable_ends_with_78(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, {"PORT": "many", "GATEWAY_CACHE_SECONDS": "s3cret-value"}).start()
    assert gateway.process.wait(10) == 78
    said = gateway.log.read_text()
    assert "PORT must be a whole number" in said
    assert "GATEWAY_CACHE_SECONDS" in said
    assert "s3cret-value" not in said


def test_a_start_that_fails_leaves_nothing_in_memory(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    gateway = _gateway_of_its_own(tmp_path, {"RUNTIME_DIRECTORY": str(memory)})
    (tmp_path / "web/gateway/app.py").write_text("create_app(\n")
    gateway.start()
    assert gateway.process.wait(10) != 0
    assert "SyntaxError" in gateway.log.read_text()
    assert list(memory.iterdir()) == []


def test_unreadable_tokens_end_with_78(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, {"GATEWAY_TOKENS_FILE": "/nonexistent"}).start()
    assert gateway.process.wait(10) == 78
    assert "GATEWAY_TOKENS_FILE cannot be read" in gateway.log.read_text()


def test_starts_on_a_read_only_home(start_gateway: StartGateway) -> None:
    gateway = start_gateway(HOME="/proc")
    assert gateway.get("/livez").status_code == 200
    listening = subprocess.run(["ss", "-xl"], capture_output=True, text=True, check=False).stdout
    assert f"gunicorn.{gateway.process.pid}" not in listening
    assert "control" not in gateway.log.read_text().lower()


def _gateway_of_its_own(folder: Path, environ: dict[str, str]) -> Gateway:
    """One that runs a copy of our modules, in `folder`."""
    for package in ("procrastinate_app", "web"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return Gateway(folder, environ, prefix=("env", "-C", str(folder)))


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
