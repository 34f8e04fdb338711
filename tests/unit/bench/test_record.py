"""What a bench has measured survives an interruption, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.bench.load import Sample
from ops.bench.record import Record

SAMPLE = {"old": [Sample(1.0, 2.0, 3.0, 4.0)]}


def test_a_resumed_run_does_not_measure_again(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "record.jsonl"
    first = Record(path, resume=False)
    assert first.once("cell", dict[str, list[Sample]], lambda: SAMPLE) == SAMPLE
    second = Record(path, resume=True)
    assert second.once("cell", dict[str, list[Sample]], lambda: pytest.fail("measured again")) == SAMPLE
    assert second.once("another", int, lambda: 2) == 2


def test_a_new_run_forgets_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    Record(path, resume=False).once("cell", int, lambda: 1)
    assert Record(path, resume=False).once("cell", int, lambda: 2) == 2


def test_what_fails_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with pytest.raises(ZeroDivisionError):
        Record(path, resume=False).once("cell", float, lambda: 1 / 0)
    assert Record(path, resume=True).once("cell", float, lambda: 0.5) == 0.5
