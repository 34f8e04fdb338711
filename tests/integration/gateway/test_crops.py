"""Crops that the gateway signs and cuts: who may see what, and photo hosts that are hostile or broken."""

from __future__ import annotations

import concurrent.futures
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from tests import canaries
from web.gateway.crop_urls import Crop, CropUrls

from .conftest import StartGateway
from .servers import Gateway, ScriptedUpstream, a_photo

KEY = canaries.PLANTED["crop-key"]
BASE = "http://gateway.example.com"
MAX_BYTES = 100_000


class Handler(BaseHTTPRequestHandler):
    """Gives each kind of photo under its name, and notes what it is asked for."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]]
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.seen.append({"path": self.path, **self.headers})
        PHOTOS[self.path.partition("?")[0]](self)

    def reply(self, status: int, body: bytes = b"", *, length: int | None = None, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _good(self) -> None:
        self.over.wait(0.2)
        self.reply(200, a_photo())

    def _gone(self) -> None:
        self.reply(404, a_photo())

    def _moved(self) -> None:
        self.reply(302, location="/good.jpg")

    def _large(self) -> None:
        self.reply(200, a_photo(), length=MAX_BYTES + 1)
        self.close_connection = True

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while not self.over.is_set():
            try:
                self.wfile.write(bytes(10_000))
            except OSError:
                return

    def _page(self) -> None:
        self.reply(200, b"<html>Not a picture</html>")

    def _bomb(self) -> None:
        self.reply(200, a_photo(2001, 2000))

    def _cut(self) -> None:
        self.reply(200, a_photo()[:100], length=5000)
        self.close_connection = True

    def _slow(self) -> None:
        self.over.wait(20)
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


PHOTOS: dict[str, Callable[[Handler], None]] = {
    "/good.jpg": Handler._good,
    "/gone.jpg": Handler._gone,
    "/moved.jpg": Handler._moved,
    "/large.jpg": Handler._large,
    "/endless.jpg": Handler._endless,
    "/page.jpg": Handler._page,
    "/bomb.jpg": Handler._bomb,
    "/cut.jpg": Handler._cut,
    "/slow.jpg": Handler._slow,
}


class PhotoHost:
    """A photo host under a thread of its own."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.over = threading.Event()
        handler = type("Own", (Handler,), {"seen": self.seen, "over": self.over})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module", params=["recognition", "fashion"])
def profile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def host() -> Iterator[PhotoHost]:
    started = PhotoHost()
    yield started
    started.close()


@pytest.fixture
def cropping(start_gateway: StartGateway) -> Gateway:
    return start_gateway(
        XIMILAR_ALLOW_PRIVATE_URLS="on",
        GATEWAY_PUBLIC_URL=BASE,
        GATEWAY_CROP_KEY=KEY,
        GATEWAY_PHOTO_MAX_BYTES=str(MAX_BYTES),
        GATEWAY_PHOTO_MAX_PIXELS="1000000",
    )


def crop_url(
    photo: str, key: str = KEY, box: tuple[int, int, int, int] = (0, 0, 30, 40), age: float = 0
) -> str:
    """An address as the gateway signs it, `age` seconds ago."""
    return CropUrls(BASE, key, 3600, clock=lambda: time.time() - age).url_of(Crop(photo, box))


def look(gateway: Gateway, url: str) -> requests.Response:
    return gateway.get(url.removeprefix(BASE))


def test_a_crop_is_fetched_without_any_token_and_whatever_type_its_photo_says(
    cropping: Gateway, host: PhotoHost
) -> None:
    answer = look(cropping, crop_url(f"{host.url}/good.jpg"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content.startswith(b"\xff\xd8")
    (seen,) = host.seen
    assert "Authorization" not in seen
    assert "Cookie" not in seen
    assert not canaries.shown_in(str(seen))


def test_many_who_want_pieces_of_one_photo_have_it_fetched_once(cropping: Gateway, host: PhotoHost) -> None:
    urls = [crop_url(f"{host.url}/good.jpg", box=(0, 0, 10 + n, 40)) for n in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda url: look(cropping, url), urls))
    assert {answer.status_code for answer in answers} == {200}
    assert len(host.seen) == 1


def test_nobody_else_can_name_a_crop(cropping: Gateway, host: PhotoHost) -> None:
    url = crop_url(f"{host.url}/good.jpg")
    changed = url[:-10] + ("A" if url[-10] != "A" else "B") + url[-9:]
    for wrong in (
        changed,
        crop_url(f"{host.url}/good.jpg", key="K" * 32),
        f"{BASE}/crops/",
        f"{BASE}/crops/x.jpg",
    ):
        answer = look(cropping, wrong)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        told = cropping.post("/tag", {"url": wrong})
        assert (told.status_code, told.json()["field"]) == (422, "url")
    assert host.seen == []


def test_an_address_expires(cropping: Gateway, host: PhotoHost, upstream: ScriptedUpstream) -> None:
    url = crop_url(f"{host.url}/good.jpg", age=3700)
    assert look(cropping, url).status_code == 410
    answer = cropping.post("/search", {"crop_url": url})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        422,
        "crop_expired",
        "crop_url",
    )
    assert (host.seen, upstream.calls) == ([], [])


BROKEN = {
    "gone.jpg": "not_there",
    "moved.jpg": "not_there",
    "large.jpg": "too_large",
    "endless.jpg": "too_large",
    "page.jpg": "not_a_picture",
    "bomb.jpg": "too_many_pixels",
    "cut.jpg": "unreachable",
}


def test_a_photo_that_cannot_be_used(cropping: Gateway, host: PhotoHost, upstream: ScriptedUpstream) -> None:
    for name, cause in BROKEN.items():
        url = crop_url(f"{host.url}/{name}")
        answer = look(cropping, url)
        assert (answer.status_code, answer.json()["code"]) == (502, f"photo_{cause}"), name
        told = cropping.post("/tag", {"url": url})
        assert (told.status_code, told.json()["code"], told.json()["field"]) == (422, f"photo_{cause}", "url")
    outside = look(cropping, crop_url(f"{host.url}/good.jpg", box=(500, 500, 600, 600)))
    assert (outside.status_code, outside.json()["code"]) == (502, "photo_outside")
    assert upstream.calls == []
    assert [seen["path"] for seen in host.seen].count("/good.jpg") == 1
    assert cropping.metric("gateway_photo_fetches_total", outcome="too_large") == 4
    assert not cropping.lines("bug")


def test_a_slow_photo_is_504_at_the_deadline(cropping: Gateway, host: PhotoHost) -> None:
    started = time.monotonic()
    url = crop_url(f"{host.url}/slow.jpg")
    answer = cropping.post("/tag", {"url": url}, headers={"X-Request-Timeout": "0.5"})
    assert (answer.status_code, answer.json()["code"]) == (504, "photo_timed_out")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/good.jpg", "http://localhost:{port}/good.jpg"])
def test_no_signature_leads_to_this_machine(start_gateway: StartGateway, host: PhotoHost, url: str) -> None:
    gateway = start_gateway(XIMILAR_ALLOW_PRIVATE_URLS="off", GATEWAY_PUBLIC_URL=BASE, GATEWAY_CROP_KEY=KEY)
    photo = url.format(port=host.url.rpartition(":")[2])
    answer = look(gateway, crop_url(photo))
    assert (answer.status_code, answer.json()["code"]) == (502, "photo_address_refused")
    assert host.seen == []


def test_crops_are_open_and_quiet_where_callers_need_a_token(
    start_gateway: StartGateway, host: PhotoHost, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"caller:{hashlib.sha256(b'right').hexdigest()}\n")
    gateway = start_gateway(
        GATEWAY_TOKENS_FILE=str(tokens),
        XIMILAR_ALLOW_PRIVATE_URLS="on",
        GATEWAY_PUBLIC_URL=BASE,
        GATEWAY_CROP_KEY=KEY,
        LOG_LEVEL="debug",
    )
    url = crop_url(f"{host.url}/good.jpg?key=s3cret")
    assert look(gateway, url).status_code == 200
    assert gateway.post("/tag", {"url": url}).status_code == 401
    assert gateway.metric("http_requests_total", handler="/crops/{name}", status="2xx") == 1
    gateway.stop()
    text = gateway.log.read_text()
    assert "/crops/{name}" in text
    assert url.rpartition("/")[2] not in text
    assert KEY not in text


def test_tag_and_search_send_the_piece(
    cropping: Gateway, host: PhotoHost, upstream: ScriptedUpstream
) -> None:
    url = crop_url(f"{host.url}/good.jpg")
    assert cropping.post("/tag", {"url": url}).json()["type"] == "bomber_jacket"
    assert cropping.post("/search", {"crop_url": url}).json()["candidates"][0]["sku_id"] == "A-1"
    sent = [_record(body) for _, body in upstream.calls]
    assert all(set(record) == {"_base64"} for record in sent)
    assert len({record["_base64"] for record in sent}) == 1
    assert len(host.seen) == 1


def _record(body: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = body["query_record"] if "query_record" in body else body["records"][0]
    return found
