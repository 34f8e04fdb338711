"""A file server and an emulator as real processes would use them, and an application without any socket."""

from __future__ import annotations

import contextlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import falcon.testing
import pytest
import urllib3

from ops.emulator import pictures
from ops.emulator.app import create_app
from ops.emulator.settings import Settings
from tests.emulator.drawing import as_bytes, garment

ROOT = Path(__file__).parents[2]
TOKEN = "test-token"
COLLECTION = "test-collection"
START_SECONDS = 20
API = "/recognition/v2/"
SIMILARITY = "/similarity/fashion-new/v2/"
RED, NAVY, BAD = "http://photos.test/red.png", "http://photos.test/navy.png", "http://photos.test/bad.png"


Answer = tuple[int, Any, dict[str, str]]
"""HTTP status, body as JSON (None if it is none), headers in lower case."""
Send = Callable[[str, str, Any, dict[str, str]], Answer]
"""Method, path, body, headers."""


class Api:
    """The emulator as its tests talk to it; `send` says how."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def call(self, name: str, token: str | None = TOKEN, **body: Any) -> Answer:
        """POST one API call."""
        headers = {} if token is None else {"Authorization": f"Token {token}"}
        return self._send("POST", API + name, body, headers)

    def fashion(
        self, path: str, *, token: str = TOKEN, collection: str | None = COLLECTION, **body: Any
    ) -> Answer:
        """POST one call of profile `fashion`; `path` without a slash is a method of the collection."""
        headers = {"Authorization": f"Token {token}"}
        headers |= {} if collection is None else {"collection-id": collection}
        return self._send("POST", path if path.startswith("/") else SIMILARITY + path, body, headers)

    def get(self, path: str, token: str = TOKEN) -> Answer:
        """GET one call."""
        return self._send("GET", path, None, {"Authorization": f"Token {token}"})

    def collect(self, url: str, sku_id: str = "SKU-1", **metadata: Any) -> Answer:
        """collectImage."""
        metadata = {"sku_id": sku_id, **metadata}
        return self.call("collectImage", collection_id=COLLECTION, image=url, metadata=metadata)

    def search(self, url: str, k: int = 10) -> Answer:
        """visualSearch."""
        return self.call("visualSearch", collection_id=COLLECTION, records=[{"_url": url}], k=k)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control API, which must succeed."""
        status, answer, _ = self._send(method, f"/_emulator/{path}", body, {})
        assert status < 300, answer
        return answer

    def script(self, fault: dict[str, Any], **rule: Any) -> None:
        """Add a fault, played once unless told otherwise."""
        self.control("POST", "faults", {"fault": fault, "times": 1, **rule})

    def last_request(self) -> dict[str, Any]:
        """The newest entry of the request log."""
        return cast(dict[str, Any], self.control("GET", "requests")["requests"][-1])


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the application without sockets can download, by address."""
    files: dict[str, bytes] = {}

    def fetch(_downloader: pictures.Downloader, url: str) -> bytes:
        if url not in files:
            raise pictures.PictureError("image cannot be downloaded: HTTP 404")
        return files[url]

    monkeypatch.setattr(pictures.Downloader, "fetch", fetch)
    return files


@pytest.fixture
def shop(photos: dict[str, bytes]) -> None:
    """Two photos and a file that is none."""
    photos.update({RED: as_bytes(garment("red")), NAVY: as_bytes(garment("navy")), BAD: b"<html>"})


@pytest.fixture
def client() -> falcon.testing.TestClient:
    """The application in this process; no rate limit, no latency."""
    app = create_app(Settings(TOKEN, COLLECTION, rate=0, delay=0.0))
    return falcon.testing.TestClient(cast(Any, app))


@pytest.fixture
def api(client: falcon.testing.TestClient, photos: dict[str, bytes]) -> Api:
    """The application in this process, whose downloads come from `photos`."""
    del photos

    def send(method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        result = client.simulate_request(method, path, json=body, headers=headers)
        is_json = result.content and result.headers.get("content-type") == "application/json"
        return result.status_code, result.json if is_json else None, dict(result.headers)

    return Api(send)


class FileServer:
    """Serves `files` (path to bytes) over HTTP; a text instead of bytes is a redirect's target."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | str] = {}
        self.requested: list[str] = []
        handler = type("Handler", (_FileHandler,), {"server_files": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def url(self, path: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def add(self, path: str, content: bytes | str) -> str:
        """Serve one more file; returns its address."""
        self.files[path] = content
        return self.url(path)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _FileHandler(http.server.BaseHTTPRequestHandler):
    server_files: ClassVar[FileServer]

    def do_GET(self) -> None:
        self.server_files.requested.append(self.path)
        content = self.server_files.files.get(self.path)
        if isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
        else:
            self.send_response(404 if content is None else 200)
        self.end_headers()
        if isinstance(content, bytes):
            self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    """An HTTP server for photos on a free port."""
    server = FileServer()
    yield server
    server.close()


class Process:
    """`python -m ops.emulator` on a free port."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "ops.emulator", "--port", "0"]
        command += ["--token", TOKEN, "--collection", COLLECTION, "--delay", "0", "--rate", "0", *options]
        self.popen = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.url = self._url()
        self.host, port = self.url.removeprefix("http://").split(":")
        self.port = int(port)
        self._pool = urllib3.PoolManager(retries=False, timeout=START_SECONDS)
        self.api = Api(self._send)

    def _url(self) -> str:
        assert self.popen.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self.popen.kill)
        watchdog.start()
        line = self.popen.stdout.readline()
        watchdog.cancel()
        watchdog.join()
        assert line.startswith("emulator listening on http://127.0.0.1:"), line
        return line.split()[-1]

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        answer = self._pool.request(method, self.url + path, json=body, headers=headers, redirect=False)
        found = {name.lower(): value for name, value in answer.headers.items()}
        is_json = answer.data and found.get("content-type") == "application/json"
        return answer.status, answer.json() if is_json else None, found

    def stop(self) -> tuple[int, str]:
        """SIGTERM, unless it ended; the exit code and what it wrote to stderr."""
        self._pool.clear()
        self.popen.terminate()
        try:
            _, errors = self.popen.communicate(timeout=START_SECONDS)
        finally:
            self.popen.kill()
        return self.popen.returncode, errors


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start an emulator with more options; it ends with the test, quietly and with 0."""
    with contextlib.ExitStack() as stack:

        def starting(*options: str) -> Process:
            process = Process(*options)
            stack.callback(_ended_well, process)
            return process

        yield starting


def _ended_well(process: Process) -> None:
    assert process.stop() == (0, "")
