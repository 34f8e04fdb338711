"""Templates: what is written by others is escaped, and nothing inline that the policy forbids."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from web.console.filters import ProductFilter
from web.console.pages.products import listed_photos
from web.console.search import Found
from web.console.templates import FOLDER, Templates, link, pretty, when
from web.console.users import User

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
EVIL = "<script>alert(1)</script>\"'"


def test_what_others_write_is_escaped() -> None:
    row = dict.fromkeys(("sku", "name", "brand", "category", "image_status", "error", "state"), EVIL)
    found = Found([{"id": 1, "updated_at": NOW, **row}])
    page = Templates().render(
        "products.html",
        NOW,
        user=User("olga", "operator", ""),
        path="/products",
        notice={"ok": False, "action": EVIL, "result": EVIL},
        partial=False,
        chosen=ProductFilter(*[EVIL] * 5),
        found=found,
        first=True,
        total=1,
        cap=10,
        states=("error",),
        suggestions={"brand": [EVIL]},
    )
    assert "<script>alert" not in page
    assert 'alert(1)</script>"' not in page
    assert page.count("&lt;script&gt;alert(1)") > 10


@pytest.mark.parametrize("path", sorted((FOLDER / "templates").glob("*.html")), ids=lambda path: path.name)
def test_nothing_is_inline(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=|\son[a-z]+\s*=|<style|javascript:|hx-on|\|\s*safe", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), "everything is served from here"


def test_times_carry_the_exact_moment() -> None:
    said = when(NOW - datetime.timedelta(minutes=3), NOW)
    assert said == (
        '<time datetime="2026-11-22T11:57:00+00:00" title="2026-11-22 11:57:00 UTC">3 min ago</time>'
    )


def test_links_leave_out_what_is_not_set() -> None:
    assert link("/jobs", state=None, task="a b&c") == "/jobs?task=a+b%26c"
    assert link("/jobs", state=None) == "/jobs"


def test_arguments_are_shown_whatever_they_are() -> None:
    assert pretty('{"a":1}') == '{\n  "a": 1\n}'
    assert pretty("no json") == "no json"
    assert pretty("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    "text",
    [None, "", "null", "{}", '"https://a/b"', "[1, null, {}]", "[" * 100_000, '["javascript:alert(1)", "data:x"]',
     "[" + "9" * 5000 + "]", '["https://a/' + "x" * 3000 + '"]'],
)  # fmt: skip
def test_photos_that_cannot_be_shown_are_left_out(text: str | None) -> None:
    assert listed_photos(text) == []


def test_a_photo_listed_twice_is_shown_once() -> None:
    assert listed_photos('["https://a/1", "http://a/2", "https://a/1"]') == ["https://a/1", "http://a/2"]
