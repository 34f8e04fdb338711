"""The real process: downloads, connections that are cut, throughput of the limiter, a clean end."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import API, COLLECTION, ROOT, START_SECONDS, TOKEN, FileServer, Process
from tests.emulator.drawing import as_bytes, garment

Start = Callable[..., Process]


@pytest.fixture
def emulator(start: Start) -> Process:
    """An emulator without limit or latency."""
    return start()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.02)


def has_played(emulator: Process, faults: dict[str, int]) -> bool:
    """Whether the emulator played exactly these faults."""
    return bool(emulator.api.control("GET", "state")["faults_played"] == faults)


@contextlib.contextmanager
def raw_call(emulator: Process, url: str) -> Iterator[socket.socket]:
    """A collectImage call on a connection of its own, sent but not read."""
    body = {"collection_id": COLLECTION, "image": url, "metadata": {"sku_id": "SKU-1"}}
    data = json.dumps(body).encode()
    head = f"POST {API}collectImage HTTP/1.1\r\nHost: {emulator.host}:{emulator.port}\r\n"
    head += f"Authorization: Token {TOKEN}\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((emulator.host, emulator.port), timeout=START_SECONDS) as connection:
        connection.sendall(head.encode() + data)
        yield connection


def test_photos_are_downloaded_and_crops_served(emulator: Process, file_server: FileServer) -> None:
    url = file_server.add("/red.png", as_bytes(garment("red")))
    assert emulator.api.collect(url)[1]["status"]["code"] == 200
    assert file_server.requested == ["/red.png"]
    (answer,) = emulator.api.search(url)[1]["answer_records"]
    assert (answer["sku_id"], answer["score"]) == ("SKU-1", 1.0)
    (found,) = emulator.api.call("detect", records=[{"_url": url}])[1]["records"][0]["_objects"]
    assert found["crop_url"].startswith(f"{emulator.url}/_emulator/crops/")
    crop_path = found["crop_url"].removeprefix(f"{emulator.url}/_emulator/")
    assert emulator.api.control("GET", crop_path) is None  # a JPEG, not JSON
    assert emulator.api.search(found["crop_url"])[1]["status"]["code"] == 200


def test_a_redirect_to_a_photo_is_not_followed(emulator: Process, file_server: FileServer) -> None:
    file_server.add("/red.png", as_bytes(garment("red")))
    url = file_server.add("/moved.png", "/red.png")
    status = emulator.api.collect(url)[1]["status"]
    assert (status["code"], status["text"]) == (400, "image cannot be downloaded: HTTP 302")
    assert file_server.requested == ["/moved.png"]


def test_a_photo_that_nobody_serves_is_refused(emulator: Process) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        status = emulator.api.collect(f"http://127.0.0.1:{port}/red.png")[1]["status"]
    assert status["code"] == 400


@pytest.mark.parametrize("apply", [False, True])
def test_drop_closes_the_connection_without_a_byte(
    emulator: Process, file_server: FileServer, apply: bool
) -> None:
    url = file_server.add("/red.png", as_bytes(garment("red")))
    emulator.api.script({"kind": "drop", "apply": apply})
    with raw_call(emulator, url) as connection:
        assert connection.recv(1) == b""
    entry = emulator.api.last_request()
    assert (entry["fault"], entry["status"], entry["applied"]) == ("drop", None, apply)
    assert emulator.api.collect(url)[1]["status"]["code"] == (411 if apply else 200)


def test_hang_lets_go_when_the_client_leaves(start: Start, file_server: FileServer) -> None:
    emulator = start("--threads", "2")
    url = file_server.add("/red.png", as_bytes(garment("red")))
    emulator.api.script({"kind": "hang", "apply": True}, times=3)
    for played in (1, 2, 3):  # more than there are threads
        with raw_call(emulator, url) as connection:
            until(partial(has_played, emulator, {"hang": played}))
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    assert emulator.api.control("GET", "collection")["count"] == 1


def test_hang_ends_after_its_seconds(emulator: Process, file_server: FileServer) -> None:
    url = file_server.add("/red.png", as_bytes(garment("red")))
    emulator.api.script({"kind": "hang", "seconds": 0.2})
    began = time.monotonic()
    with raw_call(emulator, url) as connection:
        assert connection.recv(1) == b""
    assert time.monotonic() - began >= 0.2


def test_dribble_sends_the_body_byte_by_byte(emulator: Process, file_server: FileServer) -> None:
    url = file_server.add("/red.png", as_bytes(garment("red")))
    emulator.api.script({"kind": "dribble", "seconds": 0.01, "body": {"status": {"code": 200}}})
    received = b""
    began = time.monotonic()
    with raw_call(emulator, url) as connection:
        while not received.endswith(b"}}"):
            received += connection.recv(4096)
    body = received.partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"status": {"code": 200}}
    assert time.monotonic() - began >= 0.01 * (len(body) - 1)


@pytest.mark.timing
def test_the_limit_holds_against_many_connections(start: Start, file_server: FileServer) -> None:
    emulator = start("--rate", "20")
    url = file_server.add("/red.png", as_bytes(garment("red")))
    until_time = time.monotonic() + 1.5

    def caller(number: int) -> list[int]:
        statuses = []
        while time.monotonic() < until_time:
            statuses.append(emulator.api.collect(url, f"SKU-{number}")[0])
        return statuses

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for each in pool.map(caller, range(8)) for status in each]
    log = emulator.api.control("GET", "requests")["requests"]
    accepted = sorted(entry["arrived_monotonic"] for entry in log if entry["status"] == 200)
    assert all(later - earlier >= 1.0 for earlier, later in zip(accepted, accepted[20:], strict=False))
    assert statuses.count(200) == len(accepted) >= 40
    state = emulator.api.control("GET", "state")
    assert state["rate_limited"] == statuses.count(429) > 0
    assert state["most_in_a_second"] > 20


def test_the_log_file_holds_each_call_as_it_was_answered(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    emulator = start("--log", str(log))
    emulator.api.call("detect", token="wrong")
    emulator.api.collect("http://127.0.0.1:9/none.png")
    entries: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    told = [(entry["seq"], entry["status"], entry["code"]) for entry in entries]
    assert told == [(1, 401, None), (2, 200, 400)]
    assert TOKEN not in log.read_text()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quickly_with_0_whatever_is_going_on(
    start: Start, file_server: FileServer, sign: signal.Signals
) -> None:
    emulator = start("--delay", "30")
    url = file_server.add("/red.png", as_bytes(garment("red")))
    emulator.api.script({"kind": "hang"})
    idle = socket.create_connection((emulator.host, emulator.port))
    with idle, raw_call(emulator, url), raw_call(emulator, url):
        until(lambda: emulator.api.control("GET", "state")["in_flight"] >= 1)
        began = time.monotonic()
        emulator.popen.send_signal(sign)
        assert emulator.popen.wait(timeout=START_SECONDS) == 0
        assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("options", [("--rate", "-1"), ("--delay", "x"), ("--token", ""), ("--log", "/")])
def test_wrong_options_are_refused(options: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "ops.emulator", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr


def test_one_profile_alone_and_mirrored_statuses_keep_their_bodies(
    start: Start, file_server: FileServer
) -> None:
    emulator = start("--profile", "fashion", "--mirror-status", "--token-status", "403", "--capacity", "1")
    assert emulator.api.collect("http://photos.test/1.jpg")[:2] == (404, {"detail": "Not found."})
    assert emulator.api.fashion("ping", token="wrong")[0] == 403
    photo = {"_id": "a", "_url": file_server.add("/a.png", as_bytes(garment("red")))}
    calls = [("insert", 210), ("insert", 411), ("get", 205), ("delete", 220), ("get", 404)]
    for method, code in calls:
        status, body, _ = emulator.api.fashion(method, records=[photo])
        assert (status, body["status"]["code"]) == (code, code), method
