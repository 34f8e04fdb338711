"""Fixtures: the exporter as a process, and Prometheus over it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.fix_postgres import Database
from tests.fix_system import COLLECTION, ROOT, wait_until

RULES = ROOT / "ops/prometheus/ximilar-sync.rules.yml"
LISTENING = re.compile(r'msg="Listening on" address=(\S+)')
STEADY_SECONDS = 1.2  # some rounds of scraping and judging
SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) (\S+)$", re.M)


@dataclass(slots=True)
class Exporter:
    """A running exporter and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def page(self) -> str:
        answer = requests.get(self.url, timeout=5)
        answer.raise_for_status()
        return answer.text

    def samples(self) -> dict[str, float]:
        """{metric with its labels: value}"""
        return {name: float(value) for name, value in SAMPLE.findall(self.page())}

    def wait_for(self, sample: str, value: float, seconds: float = 15) -> None:
        """Wait until a sample has this value."""
        wait_until(
            lambda: self.samples().get(sample) == value, seconds, lambda: f"{sample} {value}\n{self.page()}"
        )


@pytest.fixture
def start_exporter(database: Database) -> Iterator[Callable[..., Exporter]]:
    """Starts exporters that ask every 0.2 s: start_exporter(STAGING_DB_URL=...)."""
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-exporter-"))
    started: list[Exporter] = []

    def start(**variables: str) -> Exporter:
        log = folder / f"exporter-{len(started)}.log"
        environ = {
            **os.environ,
            "STAGING_DB_URL": database.url,
            "XIMILAR_COLLECTION_ID": COLLECTION,
            "METRICS_PORT": "0",
            "METRICS_CACHE_SECONDS": "0.2",
            "LOG_FORMAT": "json",
            **variables,
        }
        command = [sys.executable, "-m", "procrastinate_app", "exporter"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=subprocess.STDOUT)
        started.append(Exporter("", process, log))
        wait_until(lambda: "exporter_started" in log.read_text(), 20, log.read_text)
        found = re.search(r'http://[^"]+', log.read_text())
        assert found
        started[-1].url = found.group()
        return started[-1]

    yield start
    for exporter in started:
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(10) == 0, exporter.log.read_text()
        assert database.url.split(":")[2].split("@")[0] not in exporter.log.read_text()
    shutil.rmtree(folder)


@pytest.fixture
def exporter(start_exporter: Callable[..., Exporter]) -> Exporter:
    """An exporter over the test's database."""
    return start_exporter()


class Prometheus:
    """A running Prometheus with our rules, quickened: it scrapes and judges twice a second, and waits for no `for`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self._alerts() if alert["state"] == "firing"}

    def wait_for(self, *names: str, seconds: float = 20) -> None:
        """Wait until exactly these alerts fire, and go on to."""
        since: list[float] = []

        def steady() -> bool:
            if self.firing() != set(names):
                since.clear()
                return False
            since.append(time.monotonic())
            return since[-1] - since[0] > STEADY_SECONDS

        wait_until(steady, seconds, lambda: f"{names}: {self._alerts()}")

    def runbook(self, name: str) -> str:
        """The section of the runbook that an alert that fires names."""
        (link,) = {a["annotations"]["runbook"] for a in self._alerts() if a["labels"]["alertname"] == name}
        path, _, anchor = link.partition("#")
        text = (ROOT / path).read_text()
        found = re.search(rf"^## {anchor}\n(.*?)(?=^## |\Z)", text, re.M | re.S | re.I)
        assert found, link
        return found.group(1)

    def health(self) -> set[str]:
        """What Prometheus says of its rules and targets; {"ok", "up"} is well."""
        groups = self._ask("rules")["groups"]
        rules = {rule["health"] for group in groups for rule in group["rules"]}
        return rules | {target["health"] for target in self._ask("targets")["activeTargets"]}

    def _alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("alerts")["alerts"]
        return found

    def _ask(self, what: str) -> Any:
        return requests.get(f"{self.url}/api/v1/{what}", timeout=5).json()["data"]


@pytest.fixture
def prometheus(exporter: Exporter) -> Iterator[Prometheus]:
    """Prometheus over the test's exporter."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    folder = Path(tempfile.mkdtemp(prefix="ximilar-sync-prometheus-"))
    (folder / "rules.yml").write_text(yaml.safe_dump(_quickened(yaml.safe_load(RULES.read_text()))))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_config(exporter.url)))
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: LISTENING.search(log.read_text()) is not None, 20, log.read_text)
        address = LISTENING.search(log.read_text())
        assert address
        found = Prometheus(f"http://{address.group(1)}")
        wait_until(lambda: _is_well(found), 20, log.read_text)
        yield found
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _is_well(prometheus: Prometheus) -> bool:
    try:
        return prometheus.health() == {"ok", "up"}
    except requests.RequestException:
        return False  # it starts to answer with 503


def _config(exporter_url: str) -> dict[str, Any]:
    target = exporter_url.removeprefix("http://").removesuffix("/metrics")
    scraped = {"job_name": "ximilar-sync", "static_configs": [{"targets": [target]}]}
    intervals = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    return {"global": intervals, "rule_files": ["rules.yml"], "scrape_configs": [scraped]}


def _quickened(rules: dict[str, Any]) -> dict[str, Any]:
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules
