"""The gateway in profile `fashion` against the emulator: the contract's answers, and crops of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from PIL import Image

from ops.local.loopback import free_port
from tests import canaries
from tests.fix_system import COLLECTION, TOKEN, Emulator

from .conftest import StartGateway
from .servers import Gateway

KEY = canaries.PLANTED["crop-key"]
TWO_PHOTOS = ("001-1.jpg", "001-2.jpg")
CATALOGUE = {"A-1": TWO_PHOTOS, "A-2": ("014-1.jpg", "014-2.jpg"), "A-3": ("030-1.jpg",)}


@dataclass(frozen=True)
class Shop:
    """A gateway in front of an emulator that holds a few products, and the photos' base URL."""

    gateway: Gateway
    emulator: Emulator
    photos: str

    def detect(self, name: str) -> dict[str, Any]:
        """The first garment on a photo."""
        answer = self.gateway.post("/detect", {"url": f"{self.photos}/{name}"})
        assert answer.status_code == 200, answer.text
        item: dict[str, Any] = answer.json()["items"][0]
        return item

    def calls(self, ending: str) -> int:
        """How many calls the emulator has had to paths that end so."""
        return sum(call["path"].endswith(ending) for call in self.emulator.calls())


@pytest.fixture
def start_shop(
    start_emulator: Callable[..., Emulator], photo_server: str, start_gateway: StartGateway
) -> Callable[..., Shop]:
    def start(**environ: str) -> Shop:
        emulator = start_emulator(rate=0, delay=0.0)
        for sku, names in CATALOGUE.items():
            store(emulator, photo_server, sku, names)
        port = str(free_port())
        gateway = start_gateway(
            **{
                "XIMILAR_API_URL": emulator.url,
                "XIMILAR_API_TOKEN": TOKEN,
                "XIMILAR_COLLECTION_ID": COLLECTION,
                "XIMILAR_API_PROFILE": "fashion",
                "XIMILAR_ALLOW_PRIVATE_URLS": "on",
                "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
                "GATEWAY_CROP_KEY": KEY,
                "PORT": port,
                **environ,
            }
        )
        return Shop(gateway, emulator, photo_server)

    return start


@pytest.fixture
def shop(start_shop: Callable[..., Shop]) -> Shop:
    return start_shop()


def store(emulator: Emulator, photos: str, sku: str, names: tuple[str, ...]) -> None:
    records = [
        {
            "_id": f"{sku}-{name}",
            "_url": f"{photos}/{name}",
            "sku_id": sku,
            "product_id": sku,
            "brand": "Nord",
            "category": "dress",
            "price": "599.00",
            "floor": "2",
        }
        for name in names
    ]
    answer = requests.post(
        f"{emulator.url}/similarity/fashion-new/v2/insert",
        json={"records": records},
        headers={"Authorization": f"Token {TOKEN}", "collection-id": COLLECTION},
        timeout=20,
    )
    assert answer.json()["status"]["code"] == 210, answer.text


def test_detect_gives_crops_that_anybody_may_look_at(shop: Shop) -> None:
    item = shop.detect("001-1.jpg")
    assert item["category"]
    assert item["crop_url"].startswith(f"{shop.gateway.url}/crops/")
    answer = requests.get(item["crop_url"], timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["Cache-Control"].startswith("public, max-age=")
    crop = Image.open(io.BytesIO(answer.content))
    left, top, right, bottom = item["bbox"]
    assert crop.width / crop.height == pytest.approx((right - left) / (bottom - top), rel=0.02)


def test_tag_of_a_crop_sends_its_bytes_and_of_a_photo_its_address(shop: Shop) -> None:
    crop = shop.detect("001-1.jpg")["crop_url"]
    for url in (crop, f"{shop.photos}/001-1.jpg"):
        tags = shop.gateway.post("/tag", {"url": url}).json()
        assert tags["type"]
        assert tags["color_hex"].startswith("#")
    sent = [call["urls"] for call in shop.emulator.calls() if call["path"].endswith("/tags")]
    assert sent == [[], [f"{shop.photos}/001-1.jpg"]]


def test_search_finds_a_product_once_with_all_its_photos(shop: Shop) -> None:
    crop = shop.detect("001-1.jpg")["crop_url"]
    for url in (crop, f"{shop.photos}/001-1.jpg"):
        found = shop.gateway.post("/search", {"crop_url": url, "top_k": 3}).json()["candidates"]
        assert sorted(one["sku_id"] for one in found) == ["A-1", "A-2", "A-3"]
        assert found[0]["sku_id"] == "A-1"
        assert sorted(found[0]["image_urls"]) == [f"{shop.photos}/{name}" for name in TWO_PHOTOS]
        assert found[0]["metadata"] == {"brand": "Nord", "category": "dress", "price": 599.0, "floor": "2"}
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)


def test_strict_category_is_looked_for_in_several_spellings(shop: Shop) -> None:
    asked = {"crop_url": f"{shop.photos}/001-1.jpg", "strict_category": True}
    for category, count in (("DRESS", 3), ("Dress", 3), ("hat", 0)):
        found = shop.gateway.post("/search", {**asked, "category": category}).json()["candidates"]
        assert len(found) == count


def test_recognize_asks_once_for_all_garments(shop: Shop) -> None:
    answer = shop.gateway.post("/recognize", {"url": f"{shop.photos}/001-1.jpg", "top_k": 2})
    items = answer.json()["items"]
    assert items
    assert all(item["attributes"]["color_hex"] and item["candidates"] for item in items)
    assert all("errors" not in item for item in items)
    assert [shop.calls(ending) for ending in ("/detect", "/tags", "/dominantcolor")] == [1, 1, 1]
    assert shop.calls("/visualKNN") == len(items)
    assert shop.gateway.metric("gateway_photo_fetches_total", outcome="ok") == 1


def test_colours_may_fail_alone(shop: Shop) -> None:
    shop.emulator.play({"kind": "status", "status": 503}, path="/dom_colors/product/v2/dominantcolor")
    for number in range(30):
        tags = shop.gateway.post("/tag", {"url": f"{shop.photos}/001-1.jpg?{number}"})
        assert tags.status_code == 200
        assert tags.json()["type"]
        assert tags.json()["color_hex"] is None
    assert shop.gateway.metric("gateway_breaker_state") == 0
    assert shop.calls("/dominantcolor") == 20


def test_without_a_key_there_are_no_crop_urls_and_recognize_works(start_shop: Callable[..., Shop]) -> None:
    shop = start_shop(GATEWAY_CROP_KEY="")
    assert shop.detect("001-1.jpg")["crop_url"] is None
    (item, *_) = shop.gateway.post("/recognize", {"url": f"{shop.photos}/001-1.jpg"}).json()["items"]
    assert item["crop_url"] is None
    assert item["attributes"]["type"]
    assert item["candidates"]
    assert shop.gateway.lines("no_crop_urls")
    assert shop.gateway.get("/crops/x.jpg").status_code == 404
