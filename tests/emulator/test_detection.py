"""Boxes and tags follow from the picture."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageDraw

from ops.emulator.detection import detect
from ops.emulator.tagging import tag
from tests.emulator.drawing import blank, garment


def test_a_blank_picture_holds_nothing() -> None:
    assert detect(blank()) == []


def test_the_box_surrounds_what_stands_out() -> None:
    box = (20, 15, 60, 85)
    (found,) = detect(garment("navy", box))
    assert all(abs(a - b) <= 5 for a, b in zip(found.box, box, strict=True))
    assert 0.9 < found.prob <= 1.0
    assert found.name == "Dress"


def test_two_garments_are_two_objects_largest_first() -> None:
    image = garment("navy", (5, 10, 40, 60))
    ImageDraw.Draw(image).rectangle((46, 80, 74, 90), fill="red")
    dress, shoes = detect(image)
    assert dress.box[2] <= shoes.box[0] + 5
    assert shoes.name == "Shoes"
    assert all(0 <= left < right <= 80 for left, _, right, _ in (dress.box, shoes.box))
    assert all(0 <= top < bottom <= 100 for _, top, _, bottom in (dress.box, shoes.box))


@pytest.mark.parametrize(("colour", "name"), [("#d7191f", "red"), ("#192355", "navy"), ("#bdb76b", "khaki")])
def test_the_colour_is_that_of_the_garment_not_of_the_background(colour: str, name: str) -> None:
    best = tag(garment(colour))["Color"][0]
    assert best["name"] == name
    measured, drawn = (bytes.fromhex(text.lstrip("#")) for text in (best["hex"], colour))
    assert all(abs(a - b) <= 8 for a, b in zip(measured, drawn, strict=True))


@pytest.mark.parametrize("image", [blank(), garment("red"), Image.new("RGB", (1, 1))])
def test_every_tag_has_name_and_prob(image: Image.Image) -> None:
    tags: dict[str, list[dict[str, Any]]] = tag(image)
    assert list(tags) == ["Type", "Color", "Material", "Pattern"]
    entries = [entry for feature in tags.values() for entry in feature]
    assert all(entry["name"] and 0.0 <= entry["prob"] <= 1.0 for entry in entries)


def test_the_pattern_is_told_from_the_surface() -> None:
    striped = garment("gold")
    draw = ImageDraw.Draw(striped)
    for top in range(15, 85, 14):
        draw.rectangle((20, top, 59, top + 6), fill="navy")
    assert [tag(image)["Pattern"][0]["name"] for image in (garment("navy"), striped)] == ["solid", "striped"]
