"""What the gateway's integration tests run: a real gunicorn, and in Ximilar's place a server they can script."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from aiohttp import web
from PIL import Image

from tests import canaries

ROOT = Path(__file__).parents[3]
START_SECONDS = 20.0
HELD_SECONDS = 25.0  # a request may take 30 s in the gateway
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "GUNICORN_CMD_ARGS")

OK: dict[str, Any] = {"code": 200, "text": "OK", "request_id": "r-1"}
CROPS = [f"https://cdn.example.com/crops/{number}.jpg" for number in range(4)]
BOX = {"name": "Jacket", "bound_box": [1, 2, 30, 40], "prob": 0.9}
# By profile, then by method; where a profile has its own name for a method, it is in METHODS.
ANSWERS: dict[str, dict[str, dict[str, Any]]] = {
    "recognition": {
        "detect": {"records": [{"_objects": [{**BOX, "crop_url": url} for url in CROPS]}], "status": OK},
        "classify": {
            "records": [{"_tags": {"Type": [{"name": "Bomber Jacket", "prob": 0.8}]}}],
            "status": OK,
        },
        "visualSearch": {
            "answer_records": [
                {"_id": "1", "sku_id": "A-1", "score": 0.8, "image_urls": [], "metadata": {"price": "599.00"}}
            ],
            "status": OK,
        },
    },
    "fashion": {
        "detect": {
            "records": [{"_objects": [{**BOX, "bound_box": [1, 2, 30, 40 + 9 * n]} for n in range(4)]}],
            "status": OK,
        },
        "classify": {"records": [{"_tags": {"Subcategory": [{"name": "bomber jackets"}]}}], "status": OK},
        "colors": {"records": [{}], "status": OK},
        "visualSearch": {
            "answer_records": [{"_id": "1", "sku_id": "A-1", "price": "599.00"}],
            "answer_distances": [0.25],
            "status": OK,
        },
    },
}
METHODS = {
    **{f"/recognition/v2/{method}": method for method in ANSWERS["recognition"]},
    "/tagging/fashion/v2/detect": "detect",
    "/tagging/fashion/v2/tags": "classify",
    "/dom_colors/product/v2/dominantcolor": "colors",
    "/similarity/fashion-new/v2/visualKNN": "visualSearch",
}

Reply = tuple[int, bytes, dict[str, str]]
Script = Callable[[str, int], "Reply | None"]


class ScriptedUpstream:
    """Answers every call after `delay` seconds as `script(method, number of this call)` says, None: well.

    Where there is a condition `awaited`, it answers once that holds. It serves one photo as well, at `photo`.
    """

    def __init__(self, profile: str = "recognition") -> None:
        self._answers = ANSWERS[profile]
        self.delay: float
        self.script: Script
        self.awaited: Callable[[], Any] | None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.forget()
        self.probes = 0
        self.most_at_once = 0
        self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )

    def start(self) -> ScriptedUpstream:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def forget(self) -> None:
        """Do well again, at once, and forget what was asked."""
        self.delay = 0.0
        self.script = lambda method, number: None
        self.awaited = None
        self.calls.clear()
        self.headers.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def photo(self) -> str:
        return f"{self.url}/photo.jpg"

    async def _run(self) -> None:
        app = web.Application()
        for path in METHODS:
            app.router.add_post(path, self._call)
        app.router.add_get("/photo.jpg", self._photo)
        app.router.add_get("/", self._probe)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        self.port: int = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _probe(self, _request: web.Request) -> web.Response:
        self.probes += 1
        return web.Response(status=404)

    async def _photo(self, _request: web.Request) -> web.Response:
        return web.Response(body=a_photo(), content_type="image/jpeg")

    async def _call(self, request: web.Request) -> web.Response:
        method = METHODS[request.path]
        call = (method, await request.json())
        self.calls.append(call)
        self.headers.append(dict(request.headers))
        number = len(self.calls)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.delay)
            await self._until_awaited()
        finally:
            self._at_once -= 1
        status, body, headers = self.script(method, number) or (200, self._well(*call), {})
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **headers})

    async def _until_awaited(self) -> None:
        """Answer in the end all the same: what it means that the condition does not hold is for the test to say."""
        if self.awaited is not None:
            with contextlib.suppress(AssertionError):
                await asyncio.to_thread(wait_for, self.awaited, HELD_SECONDS)

    def _well(self, method: str, body: dict[str, Any]) -> bytes:
        answer = self._answers[method]
        if "records" in answer:  # one for each that was asked about
            answer = {**answer, "records": answer["records"] * len(body["records"])}
        return json.dumps(answer).encode()


def a_photo(width: int = 60, height: int = 80) -> bytes:
    """A JPEG of so many pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(buffer, "JPEG")
    return buffer.getvalue()


class Gateway:
    """A real gunicorn on a free port, with its output in `log`; `prefix` is a command that runs it elsewhere."""

    def __init__(self, folder: Path, environ: dict[str, str], *, prefix: tuple[str, ...] = ()) -> None:
        self._prefix = prefix
        self.log = folder / "gateway.log"
        self._environ = {
            **{name: value for name, value in os.environ.items() if name in PASSED_ON},
            "XIMILAR_ENV_FILE": "",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "WORKERS": "1",
            "XIMILAR_API_TOKEN": canaries.PLANTED["token"],
            "XIMILAR_COLLECTION_ID": "c",
            **environ,
        }

    def start(self) -> Gateway:
        command = [
            *(*self._prefix, sys.executable, "-m", "gunicorn", "-c", "web/gateway/gunicorn.conf.py"),
            "web.gateway.wsgi:application",
        ]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environ, stdout=output, stderr=subprocess.STDOUT
            )
        wait_for(lambda: self.port is not None or self.process.poll() is not None, START_SECONDS)
        if self.process.poll() is None:
            wait_for(self._answers, START_SECONDS)
            wait_for(lambda: len(self.workers) == int(self._environ["WORKERS"]), START_SECONDS)
        return self

    def stop(self) -> None:
        if self.process.poll() is None:
            self._demand_no_secrets()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def port(self) -> int | None:
        found = re.search(r"Listening at: http://[0-9.]+:(\d+)", self.log.read_text())
        return int(found[1]) if found else None

    @property
    def url(self) -> str:
        return f"http://{self._environ['HOST']}:{self.port}"

    @property
    def workers(self) -> list[int]:
        pid = self.process.pid
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def post(self, path: str, content: Any = None, **options: Any) -> requests.Response:
        """POST JSON over a connection of its own."""
        return requests.post(self.url + path, json=content, timeout=40, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=40, **options)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                fact = json.loads(line)
                if fact.get("event") == event:
                    found.append(fact)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        return sum(value for _, value in self.samples(name, **labels))

    def samples(self, name: str, **labels: str) -> Iterator[tuple[str, float]]:
        for line in self.get("/metrics").text.splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                wanted = [f'{label}="{value}"' for label, value in labels.items()]
                if all(pair in line for pair in wanted):
                    yield line, float(line.rsplit(" ", 1)[1])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _demand_no_secrets(self) -> None:
        # In what it shows; its log is looked at with all others of the test.
        with contextlib.suppress(requests.RequestException):
            for page in ("/metrics", "/health", "/openapi.json"):
                assert canaries.shown_in(requests.get(self.url + page, timeout=2).text) == []

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(self.url + "/livez", timeout=1).status_code == 200
        return False


class Redis:
    """A real Redis on a free port that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        password = canaries.PLANTED["redis-password"]
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--dir": str(folder)}
        arguments = [word for option in options.items() for word in option]
        command = ["redis-server", *arguments, "--requirepass", password]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self._accepts)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def _accepts(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


def reload(gateway: Gateway) -> None:
    """SIGHUP it, and wait until all its processes are others."""
    old = set(gateway.workers)
    gateway.signal(signal.SIGHUP)
    wait_for(lambda: len(gateway.workers) == len(old) and not old & set(gateway.workers), 20)


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Poll until the condition holds; fail after `seconds`."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError("it did not come true in time")
        time.sleep(0.02)
