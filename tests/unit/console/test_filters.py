"""Filters as they come from a URL and go back into one."""

from __future__ import annotations

import falcon
import pytest

from web.console.filters import TEXT_LIMIT, JobFilter, ProductFilter, text, whole


def test_a_filter_comes_back_from_its_own_query() -> None:
    chosen = ProductFilter("error", "Nørd & Co", "t-shirts", "refused 400", "50% off_now")
    assert ProductFilter.read(falcon.uri.parse_query_string(chosen.query)) == chosen


def test_blank_parts_are_no_filter() -> None:
    assert ProductFilter.read({"state": "", "brand": "  ", "q": ["", " "]}) == ProductFilter()
    assert ProductFilter().query == ""
    assert ProductFilter().words == "all products"


def test_what_is_searched_for_is_meant_literally() -> None:
    assert ProductFilter(q=r"50%_\x").parameters["pattern"] == r"%50\%\_\\x%"
    assert ProductFilter().parameters["pattern"] is None


def test_words_say_the_cause_once() -> None:
    chosen = ProductFilter(state="error", cause="refused 413", brand="Nord")
    assert chosen.words == "in error: photo too large (413), of brand Nord"


def test_text_is_cut_and_without_control_characters() -> None:
    assert text({"q": "a\x00b\nc"}, "q") == "a b c"
    assert text({"q": "x" * 1000}, "q") == "x" * TEXT_LIMIT
    assert text({"q": "\udc80"}, "q") == "?"
    assert text({"q": {"no": "text"}}, "q") is None
    assert text({"q": ["first", "last"]}, "q") == "last"


@pytest.mark.parametrize("given", ["", "x", "-1", "9" * 19, "9" * 400, "1.5", "١٢"])
def test_what_is_no_id_is_the_default(given: str) -> None:
    assert whole({"below": given}, "below", 7) == 7


def test_an_id_is_a_number() -> None:
    assert whole({"below": "9223372036854775807"}, "below", 7) == 2**63 - 1


def test_a_job_state_that_does_not_exist_is_none() -> None:
    assert JobFilter.read({"state": "doing"}).query == "state=doing"
    assert JobFilter.read({"state": "'; DROP", "task": "prune"}) == JobFilter(None, "prune")
