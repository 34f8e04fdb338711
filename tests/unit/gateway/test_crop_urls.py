"""Addresses of crops: what one key signed is taken by whoever has it, until it expires, and nothing else is."""

from __future__ import annotations

import base64
from dataclasses import replace

import msgspec
import pytest

from procrastinate_app.ximilar import urls
from procrastinate_app.ximilar.answers import Item
from web.gateway.crop_urls import MAX_LENGTH, Crop, CropUrls, Expired, NotSigned

BASE = "https://gateway.example.com"
CROP = Crop("https://cdn.example.com/a.jpg?w=1", (1, 2, 300, 400), (800, 1200))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def signer(key: str = "k" * 32, clock: Clock | None = None) -> CropUrls:
    return CropUrls(BASE, key, 600, clock=clock or Clock())


@pytest.mark.parametrize("crop", [CROP, replace(CROP, size=None), replace(CROP, box=(-5, 0, 10**6, 1))])
def test_another_host_with_the_key_reads_it(crop: Crop) -> None:
    url = signer().url_of(crop)
    assert url.startswith(f"{BASE}/crops/")
    assert url.endswith(".jpg")
    assert url.isascii()
    found, left = signer().crop_at(url)
    assert found == crop
    assert 600 <= left <= 660


def test_it_is_the_same_within_a_minute() -> None:
    clock = Clock()
    first = signer(clock=clock).url_of(CROP)
    clock.now += 5
    assert signer(clock=clock).url_of(CROP) == first
    clock.now += 60
    assert signer(clock=clock).url_of(CROP) != first


def test_it_expires() -> None:
    clock = Clock()
    urls_of = signer(clock=clock)
    url = urls_of.url_of(CROP)
    clock.now += 659
    with pytest.raises(Expired):
        urls_of.crop_at(url)


def test_another_key_is_none() -> None:
    with pytest.raises(NotSigned):
        signer("K" * 32).crop_at(signer().url_of(CROP))


def test_no_bit_of_it_can_be_changed() -> None:
    name = signer().url_of(CROP).removeprefix(f"{BASE}/crops/").removesuffix(".jpg")
    signed = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
    for place in range(len(signed)):
        changed = bytearray(signed)
        changed[place] ^= 1
        with pytest.raises(NotSigned):
            signer().crop_named(base64.urlsafe_b64encode(changed).rstrip(b"=").decode() + ".jpg")


def test_another_content_needs_another_signature() -> None:
    name = signer().url_of(CROP).removeprefix(f"{BASE}/crops/").removesuffix(".jpg")
    signature = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))[:16]
    content = msgspec.msgpack.encode((2_000_000, (0, 0, 9, 9), None, "http://10.0.0.1/"))
    forged = base64.urlsafe_b64encode(signature + content).rstrip(b"=").decode()
    with pytest.raises(NotSigned):
        signer().crop_named(f"{forged}.jpg")


@pytest.mark.parametrize(
    "name",
    ["", ".jpg", "a", "a.jpg", "AAAA.jpg", "ä.jpg", "a b.jpg", "=.jpg", "A" * MAX_LENGTH + ".jpg", "{name}"],
)
def test_what_is_no_token(name: str) -> None:
    with pytest.raises(NotSigned):
        signer().crop_named(name)


def test_the_longest_photos_address_fits() -> None:
    longest = replace(CROP, url="https://cdn.example.com/".ljust(urls.MAX_LENGTH, "a"), box=(10**8,) * 4)
    name = signer().url_of(longest).removeprefix(f"{BASE}/crops/")
    assert len(name) < MAX_LENGTH
    assert signer().crop_named(name)[0] == longest


@pytest.mark.parametrize(
    ("bbox", "box"),
    [
        ([1, 2, 3, 4], (1, 2, 3, 4)),
        ([0.6, 1.2, 2.1, 3.9], (0, 1, 3, 4)),
        ([-3, 0, 5, 5], (-3, 0, 5, 5)),
        ([], None),
        ([5, 5, 5, 9], None),
        ([5, 5, 4, 9], None),
    ],
)
def test_box_of_an_item(bbox: list[int | float], box: tuple[int, ...] | None) -> None:
    crop = Crop.of(CROP.url, Item(None, bbox, None, None, (8, 9)))
    assert (crop and crop.box) == box
