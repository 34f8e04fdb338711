"""Each load gets the number of processes that is best for it, and the tables say which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.bench import gateway_processes, gateway_report
from ops.bench.gateway_report import CLIENTS, DELAY, FEW_CLIENTS, Figures, Start
from ops.bench.load import Effort, LoadError, Sample
from ops.bench.record import Record
from ops.bench.servers import Launch

EFFORT = Effort(rounds=3, seconds=1, warm=1, trial=1)
SAMPLE = Sample(rate=100.0, p50=0.21, p99=0.3, cpu=0.001)


def design(_behind: str, count: int) -> Launch:
    return Launch(f"old x {count}", ("true",), count)


class Loaded:
    """A server whose processes have 100 connections each: more of them are slower, until those are what counts."""

    def __init__(self, launch: Launch) -> None:
        self.url = "http://127.0.0.1:1"
        self.count = launch.port

    def rate(self, clients: int) -> float:
        if clients == 512 and self.count == 1:
            raise LoadError("answered nothing")
        return min(clients, 100 * self.count) / DELAY - 10 * self.count


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def running(launch: Launch) -> Iterator[Loaded]:
        yield Loaded(launch)

    def load(server: Loaded, *, clients: int, seconds: int) -> Sample:
        assert seconds == 1
        return Sample(server.rate(clients), 0.2, 0.3, 0.001)

    monkeypatch.setattr(gateway_processes, "running", running)
    monkeypatch.setattr(gateway_processes, "load", load)


@pytest.mark.usefixtures("simulated")
def test_the_number_of_processes_follows_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    best = gateway_processes.best({"old": design}, DELAY, CLIENTS, EFFORT)
    assert best == {64: {"old": 1}, 256: {"old": 4}, 512: {"old": 4}}
    assert "old, 512 connections, requests/s by number of processes: 1: 0, 2: 980" in capsys.readouterr().out


def test_the_median_round_decides() -> None:
    found = {
        f"old x {count}": [{64: rate} for rate in rates]
        for count, rates in {1: (50.0, 51.0, 900.0), 2: (60.0, 61.0, 62.0), 4: (1.0, 2.0, 3.0)}.items()
    }
    assert gateway_processes.most("old", 64, found) == 2


def test_where_nothing_answers_in_time_there_are_most_processes() -> None:
    assert gateway_processes.most("old", 64, {f"old x {count}": [{64: 0.0}] for count in (1, 2, 4)}) == 4


def test_what_was_found_survives_an_interruption(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    found = {64: {"old": 1}, 512: {"old": 4}}
    Record(path, resume=False).once("workers", dict[int, dict[str, int]], lambda: found)
    kept = Record(path, resume=True).once("workers", dict[int, dict[str, int]], lambda: pytest.fail("again"))
    assert kept == found


def test_the_tables_name_the_processes_of_each_load(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [(0.0, FEW_CLIENTS), *((DELAY, clients) for clients in CLIENTS)]
    counts = dict(zip(cells, (11, 12, 13, 14), strict=True))
    sides = {name: [SAMPLE] for name in ("old", "ours", "nginx", "upstream")}
    gateway_report.show(
        Figures(
            workers={cell: {"old": count, "ours": 2} for cell, count in counts.items()},
            loads=dict.fromkeys(cells, sides),
            starts={name: [Start(1.0, 1e6, 2e6)] for name in ("old", "ours")},
            cached={delay: {"hits": [SAMPLE], "uncached": [SAMPLE]} for delay in (0.0, DELAY)},
        )
    )
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in capsys.readouterr().out.splitlines()]
    old = [row for row in rows if row[:1] == ["old"]]
    assert [row[1] for row in old] == ["11", "12", "11"]
    assert old[1][1:4] == ["12", "13", "14"]
