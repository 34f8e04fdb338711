"""The fault script: which call meets which fault."""

from __future__ import annotations

from typing import Any

import pytest

from ops.emulator.faults import KINDS, FaultScript, parse_rule
from ops.emulator.requestlog import Call


def call(path: str = "/recognition/v2/collectImage", **fields: Any) -> Call:
    """An API call."""
    return Call("POST", path, 0.0, 0.0, api=True, **fields)


def script(*rules: dict[str, Any]) -> FaultScript:
    """A script of such rules."""
    faults = FaultScript()
    for rule in rules:
        faults.add(parse_rule(rule))
    return faults


def kinds(faults: FaultScript, *calls: Call) -> list[str | None]:
    """What the calls meet."""
    picked = [faults.pick(each) for each in calls]
    return [fault.kind if fault else None for fault in picked]


def test_a_rule_is_played_as_often_as_told_and_the_next_takes_over() -> None:
    faults = script({"fault": {"kind": "drop"}, "times": 2}, {"fault": {"kind": "html"}})
    assert kinds(faults, *[call()] * 4) == ["drop", "drop", "html", "html"]
    assert [rule["played"] for rule in faults.listing()] == [2, 2]
    faults.clear()
    assert kinds(faults, call()) == [None]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, [True, True, False]),
        ({"path": "/recognition/v2/detect/"}, [False, True, False]),
        ({"sku_id": "A"}, [True, False, False]),
        ({"record_id": "A--2"}, [True, False, False]),
        ({"url_contains": "/b/"}, [True, False, False]),
        ({"sku_id": "A", "url_contains": "/c/"}, [False, False, False]),
        ({"path": "/"}, [False, False, True]),
    ],
)
def test_all_that_a_match_names_must_fit(match: dict[str, str], fits: list[bool]) -> None:
    faults = script({"fault": {"kind": "drop"}, "match": match})
    collect = call(
        sku_ids=["B", "A"], record_ids=["A--1", "A--2"], urls=["http://a/a/1.jpg", "http://a/b/1.jpg"]
    )
    calls = [collect, call("/recognition/v2/detect"), Call("GET", "/", 0.0, 0.0)]
    assert [kind == "drop" for kind in kinds(faults, *calls)] == fits


def test_probability_is_the_same_dice_for_the_same_seed() -> None:
    rule = {"fault": {"kind": "drop"}, "probability": 0.3, "seed": 7}
    one, other = (kinds(script(rule), *[call()] * 1000) for _ in range(2))
    assert one == other
    assert 250 < one.count("drop") < 350


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read(kind: str) -> None:
    assert parse_rule({"fault": {"kind": kind, "seconds": None, "headers": None}}).fault.kind == kind


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({}, "fault.kind"),
        ({"fault": {"kind": "explode"}}, "fault.kind"),
        ({"fault": {"kind": "drop", "aply": True}}, "aply"),
        ({"fault": {"kind": "status", "status": "503"}}, "fault.status"),
        ({"fault": {"kind": "status", "status": 42}}, "fault.status"),
        ({"fault": {"kind": "status", "headers": {"Retry-After": 3}}}, "fault.headers"),
        ({"fault": {"kind": "drop"}, "match": {"sku": "A"}}, "sku"),
        ({"fault": {"kind": "drop"}, "probability": 2}, "probability"),
        ({"fault": {"kind": "drop"}, "time": 1}, "time"),
    ],
)
def test_a_rule_with_a_mistake_is_refused(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rule(rule)
