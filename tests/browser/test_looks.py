"""Every page in a browser: no complaint of its own, none of axe, nothing wider than a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Browser
from tests.fix_catalogue import Catalogue


def paths(outage: dict[str, int]) -> list[str]:
    return [
        "/",
        "/runs",
        f"/runs/{outage['run']}",
        "/products",
        "/products?q=WRONG&state=error",
        f"/products/{outage['waits']}",
        f"/products/{outage['wrong']}",
        "/products/retry?state=error",
        "/errors",
        "/jobs",
        f"/jobs/{outage['job']}",
        "/removals",
        "/removals/apply",
        "/schedule",
        "/rate",
        "/audit",
    ]


def judge(browser: Browser, outage: dict[str, int], wrong: Callable[[], list[object]]) -> None:
    found = list[str]()
    for path in paths(outage):
        browser.go(path)
        complaints = [text for text in browser.errors() if "missing.jpg" not in text]
        found += [f"{path}: {each}" for each in (*complaints, *wrong())]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_for_everybody(operator: Browser, outage: dict[str, int], scheme: str) -> None:
    operator.colours(scheme)
    judge(operator, outage, operator.violations)


def test_every_page_fits_a_phone(operator: Browser, outage: dict[str, int], catalogue: Catalogue) -> None:
    catalogue.edit(outage["wrong"], name="W" * 300, error_message="https://photos.example.com/" + "w" * 400)
    operator.size(390, 844, mobile=True)

    def too_wide() -> list[object]:
        width = operator.scripts("return document.documentElement.scrollWidth")
        return [] if width <= 390 else [f"{width} px wide"]

    judge(operator, outage, too_wide)


def test_pages_without_a_session(browser: Browser) -> None:
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        for path in ("/login", "/static/nothing"):
            browser.go(path)
            assert browser.violations() == []


def test_the_colours_are_those_of_the_system_until_one_chooses(operator: Browser) -> None:
    def page() -> str:
        return str(operator.scripts("return getComputedStyle(document.body).backgroundColor"))

    def toggle() -> None:
        operator.find("[data-theme-toggle]").click()

    light = page()
    operator.colours("dark")
    dark = page()
    assert light != dark
    toggle()
    assert page() == light
    operator.go("/jobs")
    assert page() == light, "the choice is kept"
    toggle()
    operator.colours("light")
    assert page() == dark
    toggle()
    assert page() == light
