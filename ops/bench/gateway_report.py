"""The tables of the gateway's bench, and its figures beside their targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ops.bench import table
from ops.bench.load import Sample
from ops.bench.pairs import Spread, ratios, spread
from ops.bench.table import figure

DELAY = 0.2
FEW_CLIENTS = 64
CLIENTS = (64, 256, 512)
CLIENTS_BEHIND = {0.0: (FEW_CLIENTS,), DELAY: CLIENTS}
LEAST_SHARE = {64: 0.98, 256: 0.96, 512: 0.88}
MOST_ADDED_MS = {64: 1.5, 256: 4.0}
MIB = 2.0**20
NAMES = {"old": "old", "ours": "ours", "nginx": "nginx, proxy only", "upstream": "the upstream alone"}

Cell = tuple[float, int]  # seconds of the upstream's delay, connections
Loads = dict[str, list[Sample]]


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds to the first answer, memory (PSS of all processes, bytes) before and after a load."""

    first_answer: float
    idle: float
    loaded: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured; `workers` is the number of processes of each design, cell by cell."""

    workers: Mapping[Cell, Mapping[str, int]]
    loads: Mapping[Cell, Loads]
    starts: Mapping[str, list[Start]]
    cached: Mapping[float, Loads]


@dataclass(frozen=True, slots=True)
class Target:
    """What was aimed at: at least `goal`, or at most."""

    subject: str
    value: Spread
    goal: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the median reaches the goal."""
        return self.value.median >= self.goal if self.at_least else self.value.median <= self.goal


def show(figures: Figures) -> None:
    """Print the tables."""
    _show_fast(figures)
    _show_slow(figures)
    _show_starts(figures)
    _show_cache(figures)
    headings = ("target", "goal", "median", "least to most", "")
    title = "Targets: medians of the ratios of each round, or of the rounds"
    table.show(title, headings, map(_row, _targets(figures)))


def _row(target: Target) -> tuple[str, ...]:
    value = target.value
    return (
        target.subject,
        f"{'>=' if target.at_least else '<='} {figure(target.goal)}",
        figure(value.median),
        f"{figure(value.least)} to {figure(value.most)}",
        "met" if target.met else "MISSED",
    )


def _show_fast(figures: Figures) -> None:
    cell, rows = (0.0, FEW_CLIENTS), []
    for name, samples in figures.loads[cell].items():
        rate = spread([sample.rate for sample in samples])
        rows.append(
            (
                NAMES[name],
                _processes(figures, name, cell),
                figure(rate.median),
                f"{rate.noise:.0%}",
                figure(_median_ms(samples, "p50")),
                figure(_median_ms(samples, "p99")),
                figure(spread([sample.cpu * 1000 for sample in samples]).median),
            )
        )
    headings = ("", "processes", "requests/s", "noise", "p50 ms", "p99 ms", "CPU s per 1,000")
    table.show(f"Upstream 0 ms, {FEW_CLIENTS} connections", headings, rows)


def _show_slow(figures: Figures) -> None:
    sides = figures.loads[DELAY, FEW_CLIENTS]
    rows = []
    for name in sides:
        samples = [figures.loads[DELAY, clients][name] for clients in CLIENTS]
        rows.append(
            (
                NAMES[name],
                *(_processes(figures, name, (DELAY, clients)) for clients in CLIENTS),
                *(
                    f"{_shares(found, clients).median:.3f}"
                    for found, clients in zip(samples, CLIENTS, strict=True)
                ),
                *(figure(_added_ms(found).median) for found in samples),
                *(figure(_median_ms(found, "p99") - DELAY * 1000) for found in samples),
            )
        )
    headings = (
        "",
        *(f"processes, {clients}" for clients in CLIENTS),
        *(f"share, {clients} conn." for clients in CLIENTS),
        *(f"p50 + ms, {clients}" for clients in CLIENTS),
        *(f"p99 + ms, {clients}" for clients in CLIENTS),
    )
    title = (
        f"Upstream {DELAY * 1000:g} ms: share of connections / {DELAY:g} s, and what is added to the delay"
    )
    table.show(title, headings, rows)


def _show_starts(figures: Figures) -> None:
    rows = []
    for name, starts in figures.starts.items():
        first = spread([start.first_answer for start in starts])
        idle, loaded = (
            spread([getattr(start, moment) / MIB for start in starts]).median for moment in ("idle", "loaded")
        )
        processes = _processes(figures, name, (0.0, FEW_CLIENTS))
        seconds = (f"{first.median:.2f}", f"{first.noise:.0%}")
        rows.append((NAMES[name], processes, *seconds, figure(idle), figure(loaded)))
    headings = ("", "processes", "first answer s", "noise", "MiB idle", "MiB loaded")
    table.show("Start and memory (PSS of all processes)", headings, rows)


def _show_cache(figures: Figures) -> None:
    rows = []
    for delay, sides in figures.cached.items():
        for name, samples in sides.items():
            rate = spread([sample.rate for sample in samples])
            rows.append(
                (
                    f"{name}, upstream {delay * 1000:g} ms",
                    _processes(figures, "ours", (delay, FEW_CLIENTS)),
                    figure(rate.median),
                    f"{rate.noise:.0%}",
                    figure(_median_ms(samples, "p50")),
                    figure(spread([sample.cpu * 1000 for sample in samples]).median),
                )
            )
    headings = ("", "processes", "requests/s", "noise", "p50 ms", "CPU s per 1,000")
    table.show(f"Cache, {FEW_CLIENTS} connections", headings, rows)


def _processes(figures: Figures, name: str, cell: Cell) -> str:
    """One for what is not tried with several."""
    return str(figures.workers[cell].get(name, 1))


def _targets(figures: Figures) -> Iterator[Target]:
    fast = figures.loads[0.0, FEW_CLIENTS]
    yield Target("0 ms: requests/s, times the old", _ratio(fast, "rate"), 7, at_least=True)
    yield Target("0 ms: CPU a request, old / ours", _ratio(fast, "cpu", old_over_ours=True), 7, at_least=True)
    yield Target("0 ms: p99, old / ours", _ratio(fast, "p99", old_over_ours=True), 5, at_least=True)
    for clients in CLIENTS:
        ours = figures.loads[DELAY, clients]["ours"]
        subject = f"200 ms, {clients} connections"
        yield Target(
            f"{subject}: share of ideal", _shares(ours, clients), LEAST_SHARE[clients], at_least=True
        )
        if clients in MOST_ADDED_MS:
            yield Target(f"{subject}: p50 + ms", _added_ms(ours), MOST_ADDED_MS[clients], at_least=False)
    for moment, subject in (
        ("idle", "memory idle"),
        ("loaded", "memory loaded"),
        ("first_answer", "first answer"),
    ):
        yield Target(f"{subject}, ours / old", _of_starts(figures, moment), 0.5, at_least=False)
    for delay, sides in figures.cached.items():
        gain = ratios(*([sample.rate for sample in sides[name]] for name in ("hits", "uncached")))
        yield Target(f"cache hits / uncached rate, {delay * 1000:g} ms", gain, 5, at_least=True)


def _ratio(sides: Loads, figure_name: str, *, old_over_ours: bool = False) -> Spread:
    ours, old = ([getattr(sample, figure_name) for sample in sides[name]] for name in ("ours", "old"))
    return ratios(old, ours) if old_over_ours else ratios(ours, old)


def _of_starts(figures: Figures, moment: str) -> Spread:
    return ratios(*([getattr(start, moment) for start in figures.starts[name]] for name in ("ours", "old")))


def _shares(samples: Sequence[Sample], clients: int) -> Spread:
    return spread([sample.rate * DELAY / clients for sample in samples])


def _added_ms(samples: Sequence[Sample]) -> Spread:
    return spread([(sample.p50 - DELAY) * 1000 for sample in samples])


def _median_ms(samples: Sequence[Sample], figure_name: str) -> float:
    return spread([getattr(sample, figure_name) * 1000 for sample in samples]).median
