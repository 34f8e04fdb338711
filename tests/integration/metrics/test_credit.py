"""Credits left, asked of an account that has some, few, or does not answer."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from procrastinate_app.cli import report
from procrastinate_app.cli.output import Output
from procrastinate_app.metrics import credit
from procrastinate_app.settings import Settings
from tests.fix_postgres import Database
from tests.fix_system import COLLECTION, TOKEN, Emulator

Status = Callable[..., Any]


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    """Quick: nothing here depends on Ximilar's pace."""
    return start_emulator(rate=0, delay=0.0)


@pytest.fixture
def settings(database: Database, emulator: Emulator) -> Settings:
    """Of an account whose credits can be asked for."""
    environ = {
        "STAGING_DB_URL": database.url,
        "XIMILAR_API_URL": emulator.url,
        "XIMILAR_API_TOKEN": TOKEN,
        "XIMILAR_COLLECTION_ID": COLLECTION,
        "XIMILAR_API_PROFILE": "fashion",
    }
    return Settings.from_env(environ)


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Status:
    """What `ximilar-sync status` prints."""

    def status(settings: Settings, *, as_json: bool = True) -> Any:
        assert asyncio.run(report.status(argparse.Namespace(), settings, Output(as_json=as_json))) == 0
        printed = capsys.readouterr().out
        assert TOKEN not in printed
        return json.loads(printed) if as_json else printed

    return status


def test_the_exporter_asks_for_nothing_but_the_credits(emulator: Emulator, settings: Settings) -> None:
    emulator.settings(credits=12345)
    samples = {sample.family.name: sample.value for sample in credit.ask(settings)}
    assert samples == {"ximilar_credits_left": 12345, "ximilar_credits_warn_below": 10000}
    (call,) = emulator.calls()
    assert (call["method"], call["path"]) == ("GET", "/account/v2/details")
    assert len(credit.ask(dataclasses.replace(settings, credits_warn=0))) == 1


def test_status_shows_them_and_warns(emulator: Emulator, settings: Settings, status: Status) -> None:
    emulator.settings(credits=10000)
    found = status(settings)
    assert found["credits"] == {"left": 10000, "limit": 10000, "warn_below": 10000, "failure": None}
    assert not any("credits" in warning for warning in found["warnings"])
    emulator.settings(credits=9999)
    assert "9999 credits are left, fewer than 10000" in str(status(settings)["warnings"])
    assert "WARNING: 9999 credits are left" in status(settings, as_json=False)
    assert "credits" not in str(status(dataclasses.replace(settings, credits_warn=0))["warnings"])


def test_status_is_shown_without_them(emulator: Emulator, settings: Settings, status: Status) -> None:
    emulator.play({"kind": "status", "status": 500}, path="/account/v2/details")
    found = status(settings)
    assert (found["credits"]["left"], found["credits"]["failure"][:3]) == (None, "500")
    assert found["products"] == []
    emulator.settings(token="another-token")
    assert status(settings)["credits"]["failure"].startswith("401")
    assert status(dataclasses.replace(settings, token=""))["credits"] is None
    assert status(dataclasses.replace(settings, profile="recognition"))["credits"] is None
