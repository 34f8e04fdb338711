"""Fixtures for drills: a fault is played while a catalogue is synced, and the emulator's log says what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from _pytest.terminal import TerminalReporter

from tests.fix_system import System, most_in_a_second, wait_until

PROPERTY = "drill"


@dataclass(slots=True)
class Drill:
    """One drill over a system. `figures` are printed in one line when it has been judged."""

    system: System
    say: Callable[[dict[str, object]], None]
    figures: dict[str, object] = field(default_factory=dict)
    healed_at: float = 0.0

    def begin(self, products: int, *, photos: int = 1, sent: int = 5) -> None:
        """Have the catalogue synced, and return when `sent` photos have arrived."""
        self.system.add_products(products, photos=photos)
        self.system.defer("ximilar_sync")
        self.wait_for_photos(sent)

    def wait_for_photos(self, count: int, seconds: float = 60) -> None:
        """Wait until so many photos are stored."""
        photos = self.system.emulator.photos
        wait_until(lambda: len(photos()) >= count, seconds, self.system.tails)

    def healed(self) -> None:
        """The fault is over: recovery is counted from here."""
        self.healed_at = time.monotonic()

    def wait_for_recovery(self, seconds: float) -> None:
        """Wait for a photo that is stored after the fault was over; fails after so many seconds."""

        def stored_since() -> list[float]:
            return [
                call["arrived_monotonic"]
                for call in self.system.emulator.calls()
                if call["applied"] and call["arrived_monotonic"] > self.healed_at
            ]

        wait_until(lambda: bool(stored_since()), seconds, self.system.tails)
        self.figures["recovery seconds"] = round(min(stored_since()) - self.healed_at, 1)

    def judge(self, *, again: int = 0, seconds: float = 90, rate: int = 10) -> None:
        """Wait until every product is synced, then demand that nothing was lost, and print the figures.

        `again`: how many photos may have been sent a second time.
        """
        system = self.system
        total = sum(system.states().values())
        wait_until(
            lambda: bool(self._blamed()) or system.states() == {"synced": total},
            seconds,
            lambda: f"{system.states()}\n{system.tails()}",
        )
        assert not self._blamed(), f"{self._blamed()}\n{system.tails()}"
        self.expect_nothing_held()
        stored = Counter(system.emulator.photos())
        listed = Counter(system.listed_photos())
        figures: dict[str, object] = {
            "lost": (listed - stored).total(),
            "orphans": len(stored - listed),
            "stored twice": sum(count - 1 for count in stored.values()),
            "sent again": system.emulator.state()["photos_sent_again"],
            "most in a second": most_in_a_second(system.emulator.arrivals()),
            **self.figures,
        }
        self.say(figures)
        assert (figures["lost"], figures["orphans"], figures["stored twice"]) == (0, 0, 0)
        assert system.emulator.state()["photos_sent_again"] <= again
        assert most_in_a_second(system.emulator.arrivals()) <= rate

    def _blamed(self) -> list[tuple[str, str]]:
        """Products in `error`, with the reason: in a drill nobody's photos are at fault."""
        blamed = "SELECT external_id, error_message FROM raw_products WHERE ximilar_status = 'error'"
        return [(sku, reason) for sku, reason in self.system.query(blamed)]

    def expect_nothing_held(self, seconds: float = 20) -> None:
        """No job of a product may stay `doing` once its product is done."""
        held = "SELECT count(*) FROM ximilar.procrastinate_jobs WHERE status = 'doing' AND queue_name = 'products'"
        wait_until(lambda: self.system.query(held) == [(0,)], seconds, self.system.tails)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[dict[str, object]], None]:
    """Keeps figures for the line that is printed about this test at the end."""

    def keep(figures: dict[str, object]) -> None:
        line = ", ".join(f"{name} {value}" for name, value in figures.items())
        request.node.user_properties.append((PROPERTY, line))

    return keep


@pytest.fixture
def drill(system: System, say: Callable[[dict[str, object]], None]) -> Drill:
    """A drill over a system."""
    return Drill(system, say)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures of each drill in one line, from whatever process it ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in report.user_properties:
                if name == PROPERTY and report.when == "call":
                    drilled = report.nodeid.rpartition("::")[2].removeprefix("test_")
                    terminalreporter.write_line(f"drill {drilled}: {line}")
