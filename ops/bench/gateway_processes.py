"""With how many processes a design of the gateway answers most, which is another number for every load.

A design whose processes have so many connections each needs more of them the slower the upstream is, though
without a delay they would only be in each other's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from statistics import median

from ops.bench import servers
from ops.bench.load import Effort, LoadError, load
from ops.bench.pairs import alternate
from ops.bench.servers import Launch, Server, running

COUNTS = (1, 2, 4)
MOST_ROUNDS = 3

Designs = Mapping[str, Callable[[str, int], Launch]]
Rates = Mapping[int, float]  # requests a second by the number of connections


def best(designs: Designs, delay: float, clients: Sequence[int], effort: Effort) -> dict[int, dict[str, int]]:
    """Return {connections: {design: number of processes}}, of those tried in turn behind this delay (seconds)."""
    sides = {
        _side(name, count): partial(_rates, design, count, delay, clients, effort)
        for name, design in designs.items()
        for count in COUNTS
    }
    found = alternate(sides, min(effort.rounds, MOST_ROUNDS))
    return {
        connections: {name: most(name, connections, found) for name in designs} for connections in clients
    }


def most(name: str, connections: int, found: Mapping[str, Sequence[Rates]]) -> int:
    """Return the number of processes whose rounds have the highest median rate, and print all of them.

    Of equals it is the higher, as where none answered in time.
    """
    rates = {count: median(rates[connections] for rates in found[_side(name, count)]) for count in COUNTS}
    told = ", ".join(f"{count}: {rate:,.0f}" for count, rate in rates.items())
    print(f"{name}, {connections} connections, requests/s by number of processes: {told}", flush=True)
    return max(rates, key=lambda count: (rates[count], count))


def _side(name: str, count: int) -> str:
    return f"{name} x {count}"


def _rates(
    design: Callable[[str, int], Launch], count: int, delay: float, clients: Sequence[int], effort: Effort
) -> Rates:
    with running(servers.upstream(delay)) as behind, running(design(behind.url, count)) as server:
        with suppress(LoadError):
            load(server, clients=max(clients), seconds=effort.warm)
        return {connections: _rate(server, connections, effort.trial) for connections in clients}


def _rate(server: Server, connections: int, seconds: int) -> float:
    """With too few processes there may be no answer in so short a time: those are not the best."""
    try:
        return load(server, clients=connections, seconds=seconds).rate
    except LoadError:
        return 0.0
