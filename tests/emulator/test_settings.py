"""Settings of the emulated account."""

from __future__ import annotations

from typing import Any

import pytest

from ops.emulator.settings import Settings


def test_changed_replaces_what_is_given() -> None:
    assert Settings("t", "c", rate=5).changed({"rate": 0, "delay": 1}) == Settings("t", "c", rate=0, delay=1)


@pytest.mark.parametrize(
    "change",
    [
        *({"rate": -1}, {"rate": 1.5}, {"rate": True}, {"delay": -0.1}, {"delay": float("nan")}),
        *({"delay": "1"}, {"capacity": None}, {"token": ""}, {"collection": "other"}, {"colour": "red"}),
    ],
)
def test_changed_refuses_what_makes_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Settings().changed(change)


def test_the_token_is_not_shown() -> None:
    assert "hush" not in repr(Settings(token="hush"))


@pytest.mark.parametrize(
    "change",
    [
        {"token_status": 404},
        {"mirror_status": 1},
        {"bill_duplicates": None},
        {"credits": -1},
        {"profiles": ["fashion"]},
    ],
)
def test_the_switches_take_only_what_they_can_be(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Settings().changed(change)
