"""The fault script: which calls go wrong, how, how often; told over HTTP and picked call by call."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ops.emulator.requestlog import Call

Kind = Literal["status", "delay", "hang", "drop", "garbage", "html", "body", "dribble", "redirect", "huge"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a fault is for: all that is given must fit, and nothing given fits every API call."""

    path: str | None = None
    """The whole path; "/" is the base URL, which nothing else names."""
    sku_id: str | None = None
    """Of any record of the call."""
    record_id: str | None = None
    """The `_id` of any record of the call."""
    url_contains: str | None = None
    """Part of the address of any image of the call."""

    def fits(self, call: Call) -> bool:
        """Whether `call` is meant."""
        return (
            (call.path == (self.path.rstrip("/") or "/") if self.path is not None else call.api)
            and (self.sku_id is None or self.sku_id in call.sku_ids)
            and (self.record_id is None or self.record_id in call.record_ids)
            and (self.url_contains is None or any(self.url_contains in url for url in call.urls))
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of the answer; README.md tells the kinds and what each field means to them."""

    kind: Kind
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON; `text` is sent as it is instead."""
    text: str | None = None
    seconds: float | None = None
    size: int = 5 * 1024 * 1024
    apply: bool = False
    """Whether the call has its effect (a photo is stored) before the fault."""


@dataclass(slots=True)
class Rule:
    """A fault, for whom and how often. Raises ValueError for values that make no sense."""

    fault: Fault
    match: Match = field(default_factory=Match)
    times: int | None = None
    """How often it is played; None: without end."""
    probability: float = 1.0
    seed: int = 0
    played: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def takes(self, call: Call) -> bool:
        """Whether to play it on `call`; the dice are thrown only for calls that fit."""
        if self.played == self.times or not self.match.fits(call):
            return False
        if self.probability < 1.0 and self._random.random() >= self.probability:
            return False
        self.played += 1
        return True


class FaultScript:
    """The rules in the order they came; the first that takes a call is played. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Append a rule."""
        with self._lock:
            self._rules.append(rule)

    def pick(self, call: Call) -> Fault | None:
        """The fault for `call`, counted as played."""
        with self._lock:
            return next((rule.fault for rule in self._rules if rule.takes(call)), None)

    def clear(self) -> None:
        """Forget every rule; a fault that is playing goes on."""
        with self._lock:
            self._rules.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Every rule with how often it was played."""
        with self._lock:
            return [_listed(rule) for rule in self._rules]


def parse_rule(document: dict[str, Any]) -> Rule:
    """The rule in a request's body. Raises ValueError naming what is wrong, unknown names included."""
    types = {"match": dict, "fault": dict, "times": int, "probability": (int, float), "seed": int}
    rule = _checked(document, types, "rule")
    if not 0.0 <= rule.get("probability", 1.0) <= 1.0:
        raise ValueError("probability must be between 0 and 1")
    fault, match = _parse_fault(rule.pop("fault", {})), _parse_match(rule.pop("match", {}))
    return Rule(fault, match, **rule)


def _parse_match(document: dict[str, Any]) -> Match:
    return Match(
        **_checked(document, {"path": str, "sku_id": str, "record_id": str, "url_contains": str}, "match")
    )


def _parse_fault(document: dict[str, Any]) -> Fault:
    types: dict[str, Any] = {"kind": str, "status": int, "headers": dict, "body": object, "text": str}
    types |= {"seconds": (int, float), "size": int, "apply": bool}
    if document.get("kind") not in KINDS:
        raise ValueError(f"fault.kind must be one of {', '.join(KINDS)}")
    fault = Fault(**_checked(document, types, "fault"))
    if fault.status is not None and not 200 <= fault.status <= 599:
        raise ValueError("fault.status must be between 200 and 599")
    if not all(isinstance(value, str) for value in fault.headers.values()):
        raise ValueError("fault.headers must be texts")
    return fault


def _checked(document: dict[str, Any], types: dict[str, Any], what: str) -> dict[str, Any]:
    """`document` without what is null. Raises ValueError for other names and types than `types` has."""
    if unknown := document.keys() - types.keys():
        raise ValueError(f"{what} has no {', '.join(sorted(unknown))}")
    given = {name: value for name, value in document.items() if value is not None}
    if wrong := [name for name, value in given.items() if not isinstance(value, types[name])]:
        raise ValueError(f"{what}.{wrong[0]} is of the wrong type")
    return given


def _listed(rule: Rule) -> dict[str, Any]:
    return {
        "fault": asdict(rule.fault),
        "match": asdict(rule.match),
        "times": rule.times,
        "probability": rule.probability,
        "seed": rule.seed,
        "played": rule.played,
    }
