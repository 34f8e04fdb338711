"""Fixtures for whole programs: the emulator, photos over HTTP, worker processes, the command lines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from ops.local.photo_server import PhotoServer
from tests import canaries
from tests.fix_postgres import Database

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "ops/local/catalogue/images"
TOKEN = canaries.PLANTED["token"]
COLLECTION = "acceptance"
START_SECONDS = 30.0
BOTH_PROFILES = pytest.mark.parametrize("profile", ["recognition", "fashion"])


class Emulator:
    """A running emulator and its control API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> dict[str, Any]:
        return self._control("GET", "state")

    def arrivals(self) -> list[float]:
        """When each call to the API arrived, in seconds on one clock, ascending."""
        return sorted(entry["arrived_monotonic"] for entry in self.calls())

    def calls(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._control("GET", "requests")["requests"]
        return [entry for entry in entries if entry["api"]]

    def photos(self) -> list[tuple[str, str]]:
        """(SKU, URL) of every photo in the collection, sorted."""
        return sorted((photo["sku_id"], photo["url"]) for photo in self.collection())

    def collection(self) -> list[dict[str, Any]]:
        """Every record of the collection, with its metadata."""
        photos: list[dict[str, Any]] = self._control("GET", "collection")["photos"]
        return photos

    def play(
        self,
        fault: dict[str, Any],
        *,
        times: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
        **match: str,
    ) -> None:
        """Play a fault on the calls that match, or on a share of them, `times` times or until `heal`."""
        rule = {"match": match, "fault": fault, "times": times, "probability": probability, "seed": seed}
        self._control("POST", "faults", rule)

    def heal(self) -> None:
        self._control("DELETE", "faults")

    def forget(self) -> None:
        """Empty the collections."""
        self._control("DELETE", "collection")

    def settings(self, **settings: Any) -> None:
        self._control("PUT", "settings", settings)

    def _control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/_emulator/{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else {}


@dataclass(slots=True)
class Worker:
    """A worker process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Its events, all or those of one name; lines that are no JSON fail the test."""
        parsed = [json.loads(line) for line in self.log.read_text().splitlines() if line]
        return [event for event in parsed if not name or event["event"] == name]

    def end(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 75) -> int:
        """Signal it, wait for its end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@dataclass(slots=True)
class System:
    """One Staging, one emulator, and the programs under test over both."""

    database: Database
    emulator: Emulator
    photos_url: str
    folder: Path
    environ: dict[str, str]
    workers: list[Worker] = field(default_factory=list)

    def worker(self, *command: str, **variables: str) -> Worker:
        """Start a worker (by default the supervised one) and wait until it is at work."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        arguments = command or (sys.executable, "-m", "procrastinate_app", "worker")
        with log.open("wb") as out:
            process = subprocess.Popen(
                arguments, cwd=ROOT, env={**self.environ, **variables}, stdout=out, stderr=subprocess.STDOUT
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        wait_until(lambda: "worker_started" in log.read_text() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, log.read_text()
        return worker

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**self.environ, **variables},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def defer(self, task: str, *arguments: str) -> None:
        """Defer a task as ops do, with procrastinate's own command line."""
        done = self.run("procrastinate", "--app=procrastinate_app.main.app", "defer", task, *arguments)
        assert done.returncode == 0, done.stderr

    def add_products(self, count: int, *, photos: int = 2, prefix: str = "SKU") -> list[str]:
        """Add pending products with photos of their own each, and return their SKUs."""
        names = pictures()
        skus = [f"{prefix}-{number:04}" for number in range(count)]
        with psycopg.connect(self.database.owner_url, autocommit=True) as owner:
            for number, sku in enumerate(skus):
                urls = [
                    f"{self.photos_url}/{names[(number + place) % len(names)]}?{sku}-{place}"
                    for place in range(photos)
                ]
                owner.execute(
                    "INSERT INTO raw_products (external_id, brand, name, category, price, image_urls, image_status,"
                    " ximilar_status) VALUES (%s, 'Nord', 'Dress', 'dress', 599, %s, 'uploaded', 'pending')",
                    [sku, json.dumps(urls)],
                )
        return skus

    def states(self) -> dict[str, int]:
        """{ximilar_status: number of products}"""
        rows = self.query("SELECT ximilar_status, count(*) FROM raw_products GROUP BY 1")
        return dict(rows)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of Staging."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as owner:
            return owner.execute(statement.encode(), parameters).fetchall()

    def listed_photos(self) -> list[tuple[str, str]]:
        """(SKU, URL) of every photo of every product, sorted: what the collection has to hold."""
        return sorted(
            self.query("SELECT external_id, jsonb_array_elements_text(image_urls) FROM raw_products")
        )

    def wait_for_states(self, seconds: float = 60, **states: int) -> None:
        """Wait until the products are in these states, and no others."""
        wait_until(lambda: self.states() == states, seconds, lambda: f"{self.states()}\n{self.tails()}")

    def wait_for_logs(self, rows: int, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until scraper_logs has so many rows; returns them."""
        wait_until(lambda: len(self._scraper_logs()) >= rows, seconds, self.tails)
        return self._scraper_logs()

    def tails(self) -> str:
        return "\n".join(
            f"--- {worker.log.name}\n{worker.log.read_text()[-3000:]}" for worker in self.workers
        )

    def _scraper_logs(self) -> list[dict[str, Any]]:
        return [row[0] for row in self.query("SELECT to_jsonb(l) FROM scraper_logs l ORDER BY id")]


def pictures() -> list[str]:
    """The names of the sample photos; one of the files is no picture, on purpose."""
    return sorted(path.name for path in IMAGES.glob("*.jpg") if path.read_bytes()[:2] == b"\xff\xd8")


def wait_until(
    condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = lambda: ""
) -> None:
    """Look until the condition holds; fail the test with an explanation when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not so after {seconds:g} s\n{explain()}")
        time.sleep(0.05)


def most_in_a_second(arrivals: list[float]) -> int:
    """The most arrivals in any window of one second."""
    first, most = 0, 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.fixture(scope="session")
def photo_server() -> Iterator[str]:
    """The base URL of the sample photos; a query string makes one photo many."""
    with PhotoServer(IMAGES) as server:
        yield server.url


@pytest.fixture
def start_emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts emulators: start_emulator(rate=10, delay=0.2)."""
    started: list[subprocess.Popen[str]] = []

    def start(*, rate: float = 10, delay: float = 0.2, token: str = TOKEN) -> Emulator:
        command = [sys.executable, "-m", "ops.emulator", "--host", "127.0.0.1", "--port", "0"]
        limits = ["--token", token, "--collection", COLLECTION, "--rate", str(rate), "--delay", str(delay)]
        process = subprocess.Popen([*command, *limits], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the emulator did not start"
        return Emulator(found.group())

    yield start
    for process in started:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """An emulator as strict and as slow as the real one is said to be."""
    return start_emulator()


@pytest.fixture
def profile() -> str:
    """The way of speaking to Ximilar; tests of both are marked with BOTH_PROFILES."""
    return "recognition"


@pytest.fixture
def system(database: Database, emulator: Emulator, photo_server: str, profile: str) -> Iterator[System]:
    """The programs over a fresh Staging; every worker is ended with the test, and no log may hold a secret."""
    with tempfile.TemporaryDirectory(prefix="ximilar-sync-system-") as name:
        environ = {
            **os.environ,
            "XIMILAR_ENV_FILE": "",
            "STAGING_DB_URL": database.url,
            "XIMILAR_API_URL": emulator.url,
            "XIMILAR_API_PROFILE": profile,
            "XIMILAR_API_TOKEN": TOKEN,
            "XIMILAR_COLLECTION_ID": COLLECTION,
            "XIMILAR_ALLOW_PRIVATE_URLS": "on",
            "LOG_FORMAT": "json",
            "PYTHONWARNINGS": "",
        }
        system = System(database, emulator, photo_server, Path(name), environ)
        yield system
        for worker in system.workers:
            if worker.process.poll() is None:
                worker.end(signal.SIGKILL)
        assert canaries.shown_below(system.folder) == []
