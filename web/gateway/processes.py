"""The standard process_* and python_* metrics of every process, told apart by a label `pid`.

prometheus_client leaves them out of its multiprocess mode. So each process writes its own into the shared
folder every few seconds, and the one that is scraped shows all of those that are alive.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

REFRESH_SECONDS = 5.0

_Sample = tuple[str, dict[str, str], float]
_Family = tuple[str, str, str, list[_Sample]]
_decoder = msgspec.json.Decoder(list[_Family])


class Processes:
    """The processes that share `folder`; without one, only this process."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._written = 0.0
        # With a registry of their own; these classes register themselves where they are told to.
        own = CollectorRegistry()
        self._collectors = (
            ProcessCollector(registry=own),
            PlatformCollector(registry=own),
            GCCollector(registry=own),
        )

    def refresh(self) -> None:
        """Write down this process' figures, unless that was done just now."""
        if self._folder is None or time.monotonic() - self._written < REFRESH_SECONDS:
            return
        self._written = time.monotonic()
        path = file_of(self._folder, os.getpid())
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(self._own()))
        draft.replace(path)

    def page(self) -> bytes:
        """Return the figures of all live processes in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Shown({**self._others(), os.getpid(): self._own()}))
        return generate_latest(registry)

    def _own(self) -> list[_Family]:
        families = (family for collector in self._collectors for family in collector.collect())
        return [
            (f.name, f.documentation, f.type, [(s.name, s.labels, s.value) for s in f.samples])
            for f in families
        ]

    def _others(self) -> dict[int, list[_Family]]:
        found = {}
        for path in self._folder.glob("process_*.json") if self._folder else ():
            pid = int(path.stem.partition("_")[2])
            if not Path(f"/proc/{pid}").exists():
                path.unlink(missing_ok=True)
                continue
            try:
                found[pid] = _decoder.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue
        return found


def file_of(folder: Path, pid: int) -> Path:
    """Return where process `pid` writes its figures."""
    return folder / f"process_{pid}.json"


class _Shown(Collector):
    def __init__(self, processes: dict[int, list[_Family]]) -> None:
        self._processes = processes

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for pid, families in sorted(self._processes.items()):
            for name, documentation, kind, samples in families:
                family = merged.setdefault(name, Metric(name, documentation, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "pid": str(pid)}, value)
        return merged.values()
