"""Ximilar's words and ours: the mapping as it is documented."""

from __future__ import annotations

from typing import Any

import pytest

from procrastinate_app.ximilar import fashion_taxonomy
from procrastinate_app.ximilar.answers import Tags


@pytest.mark.parametrize(
    ("found", "category"),
    [
        ({"name": "Dress", "Category": "Clothing/Pants"}, "Dress"),
        ({"Category": "Clothing/Dresses", "Top Category": "Clothing"}, "Dress"),
        ({"Category": "clothing/upper"}, "Top"),
        ({"Category": "Clothing/Skirts"}, "Skirt"),
        ({"Category": "Accessories/Headwear"}, "Headwear"),
        ({"Top Category": "Footwear"}, "Shoes"),
        ({"Top Category": "Clothing"}, "Clothing"),
        ({"name": 7, "Category": [], "Top Category": ""}, None),
        ({"Category": "/"}, None),
        ({}, None),
    ],
)
def test_category(found: dict[str, Any], category: str | None) -> None:
    assert fashion_taxonomy.category(found) == category


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bomber jackets", "bomber_jacket"),
        ("midi dresses", "midi_dress"),
        ("t-shirts", "t_shirt"),
        ("skinny jeans", "skinny_jeans"),
        ("low top sneakers", "low_top_sneakers"),
        ("clutches", "clutch"),
        ("bodies", "body"),
        ("watches", "watch"),
        ("dress", "dress"),
        ("boss", "boss"),
        ("Blazers/Suit Jackets", "suit_jacket"),
        ("zip hoodies", "zip_hoodie"),
        ("Beanies", "beanie"),
        ("scarves", "scarf"),
        ("neckties", "necktie"),
        ("bow ties", "bow_tie"),
        ("accessories", "accessory"),
        ("blouses", "blouse"),
        ("...", None),
    ],
)
def test_type(name: str, kind: str | None) -> None:
    record = {"_tags": {"Subcategory": [{"name": name, "prob": 0.9}]}}
    assert fashion_taxonomy.tags(record).type == kind


@pytest.mark.parametrize(
    "name",
    [
        *("panties", "shoes", "glasses", "sunglasses", "jeans", "leggings", "trousers", "shorts", "tights"),
        *("pants", "briefs", "booties", "chinos", "pyjamas"),
    ],
)
def test_what_has_no_singular_stays(name: str) -> None:
    assert fashion_taxonomy.singular(name) == name
    assert fashion_taxonomy.singular(f"Long {name.title()}") == f"Long {name.title()}"


def test_tags_are_the_best_of_each_feature() -> None:
    record = {
        "_tags": {
            "Category": [{"name": "Clothing/Jackets"}],
            "Subcategory": [{"name": "coats", "prob": 0.2}, {"name": "bomber jackets", "prob": 0.7}],
            "Color": [{"name": "khaki"}],
            "Material": [{"name": "nylon ripstop"}],
            "Design": [{"name": "plain"}],
        }
    }
    assert fashion_taxonomy.tags(record) == Tags("bomber_jacket", "khaki", None, "nylon ripstop", "solid")


@pytest.mark.parametrize("feature", fashion_taxonomy.PATTERN_FEATURES)
def test_a_pattern_has_had_several_names(feature: str) -> None:
    assert fashion_taxonomy.tags({"_tags": {feature: [{"name": "floral"}]}}).pattern == "floral"


@pytest.mark.parametrize("record", [{}, {"_tags": []}, {"_tags": {"Color": "red", "Design": [None, {}]}}])
def test_what_is_not_said_is_none(record: dict[str, Any]) -> None:
    assert fashion_taxonomy.tags(record) == Tags()


def test_the_simple_map_fills_in() -> None:
    record = {"_tags_map": {"Subcategory": "midi dresses", "Color": "navy blue"}}
    assert fashion_taxonomy.tags(record) == Tags("midi_dress", "navy blue")


def test_spellings_come_once() -> None:
    assert fashion_taxonomy.spellings("T-Shirt") == ["T-Shirt", "t-shirt", "T-SHIRT", "T-shirt"]
    assert fashion_taxonomy.spellings("dress") == ["dress", "DRESS", "Dress"]
