"""The workers' bench says what it lacks and fails, rather than leave a comparison out."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from unittest.mock import Mock

import pytest

from ops.bench import sync


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that were measured, on a machine without programs."""
    parts: list[str] = []
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    monkeypatch.setattr(sync, "PhotoServer", lambda _folder: nullcontext(Mock(url="http://127.0.0.1")))
    monkeypatch.setattr(sync, "running", lambda *, durable: nullcontext())
    for part in ("paced", "memory", "lifted"):
        monkeypatch.setattr(sync, f"_{part}", lambda *_, part=part: parts.append(part))
    return parts


def test_without_redis_there_is_no_comparison_and_no_success(
    measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sync.main([]) == 1
    assert measured == []
    assert "apt-get install redis-server" in capsys.readouterr().err


def test_parts_that_need_no_redis_can_be_asked_for(measured: list[str]) -> None:
    assert sync.main(["--parts", "memory", "lifted"]) == 0
    assert measured == ["memory", "lifted", "lifted"]
