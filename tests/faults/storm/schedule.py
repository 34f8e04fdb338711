"""What goes wrong and when: drawn from a seed alone, so that a storm can be had again. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LONGEST_GAP_SECONDS = 5.0
# Of the storm: then the slowest recovery begins while there is still weather.
LAST_BEGINNING = 0.95


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault: what it befalls (one fault of a subject at a time), how long it lasts, in seconds, and how often."""

    subject: str
    shortest: float = 0.0
    longest: float = 0.0
    most: int = 1_000_000


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "worker killed": Kind("worker"),
        "worker asked to stop": Kind("worker"),
        "worker frozen": Kind("worker", 2, 8),
        "postgres restarted": Kind("postgres"),
        "postgres stopped at once": Kind("postgres"),
        "postgres killed": Kind("postgres"),
        "connections cut": Kind("postgres"),
        "pooler killed": Kind("pooler", 0.5, 3),
        "pooler paused": Kind("pooler", 1, 4),
        "catalogue locked": Kind("catalogue", 1, 5),
        # Every photo is sent again where the ids are others: a second time would be about the rate limit only.
        "catalogue loaded anew": Kind("catalogue", most=1),
        "ximilar 503": Kind("ximilar", 1, 5),
        "ximilar 429": Kind("ximilar", 1, 4),
        "ximilar drops answers": Kind("ximilar", 2, 5),
        "ximilar drops requests": Kind("ximilar", 2, 5),
        "ximilar hangs": Kind("ximilar", 1, 3),
        "ximilar slow": Kind("ximilar", 2, 5),
        "ximilar dribbles": Kind("ximilar", 1, 3),
        "ximilar talks html": Kind("ximilar", 1, 4),
        "ximilar talks garbage": Kind("ximilar", 1, 4),
        "gateway process killed": Kind("gateway"),
        "gateway reloaded": Kind("gateway"),
        "gateway besieged": Kind("gateway", 3, 6),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` seconds from the storm's beginning it begins, and lasts for `seconds`."""

    at: float
    name: str
    seconds: float

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:7.1f} s  {self.name}{lasting}"


def draw(seed: int, seconds: float) -> list[Fault]:
    """The faults of a storm, by their beginning: every kind in turn, in an order of chance, again and again."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    free_at: dict[str, float] = {}
    bag: list[str] = []
    played: Counter[str] = Counter()
    at = chance.uniform(1, LONGEST_GAP_SECONDS)
    while at < seconds * LAST_BEGINNING:
        left = [name for name in sorted(KINDS) if played[name] < KINDS[name].most]
        bag = bag or chance.sample(left, len(left))
        name = next((name for name in bag if free_at.get(KINDS[name].subject, 0.0) <= at), None)
        if name is not None:
            bag.remove(name)
            played[name] += 1
            kind = KINDS[name]
            faults.append(Fault(at, name, chance.uniform(kind.shortest, kind.longest)))
            free_at[kind.subject] = at + faults[-1].seconds + 1.0
        at += chance.uniform(1, LONGEST_GAP_SECONDS)
    return faults
