"""The table of metrics, the alerts, the dashboards and the runbook agree with the code and with one another."""

from __future__ import annotations

import argparse
import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from procrastinate_app.cli.parser import make_parser
from procrastinate_app.metrics.families import FAMILIES
from procrastinate_app.settings import VARIABLES
from tests.unit.metrics.documented import ROOT, RULES, everything, metrics_in, table
from web.gateway.metrics import Metrics
from web.gateway.settings import VARIABLES as GATEWAY_VARIABLES

RUNBOOK = ROOT / "ops/prometheus/RUNBOOK.md"
DASHBOARDS = sorted((ROOT / "ops/grafana").glob("*.json"))
OURS_BY_SCRAPE = {"instance", "job"}


@functools.cache
def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def sections() -> dict[str, str]:
    """{anchor: text} of the runbook."""
    parts = re.split(r"^## (\w+)\n", RUNBOOK.read_text(), flags=re.M)[1:]
    return {name.lower(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def expressions(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_the_table_lists_what_the_exporter_shows_and_nothing_else() -> None:
    listed = {name: (row.kind, row.labels) for name, row in table("Metrics of the sync").items()}
    assert listed == {family.name: (family.kind, family.labels) for family in FAMILIES.values()}


def test_the_table_lists_what_the_gateway_shows_and_nothing_else() -> None:
    shown = dict(re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().page().decode(), re.M))
    listed = {name: row.kind for name, row in table("Metrics of the gateway").items()}
    assert listed == {name: kind for name, kind in shown.items() if not name.endswith("_created")}


def test_the_names_follow_the_rules_of_naming() -> None:
    for family in FAMILIES.values():
        assert re.fullmatch(r"ximilar(_[a-z]+)+", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert not re.search(r"_(ms|minutes|hours|days|kb|mb)\b", family.name)
        assert family.help.endswith(".")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_alerts_ask_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    demand_known(rule["expr"])


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_ask_for_metrics_that_exist(dashboard: Path) -> None:
    found = expressions(dashboard)
    assert len(found) > 20
    for expression in found:
        demand_known(expression.replace("[$__rate_interval]", "[5m]"))


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_can_be_loaded_anywhere(dashboard: Path) -> None:
    content = json.loads(dashboard.read_text())
    assert content["uid"] == {"sync": "ximilar-sync", "gateway": "ximilar-gateway"}[dashboard.stem]
    assert content["templating"]["list"][0]["type"] == "datasource"
    ids = [panel["id"] for panel in content["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in content["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"


def test_no_two_panels_overlap() -> None:
    for dashboard in DASHBOARDS:
        cells: set[tuple[int, int]] = set()
        for panel in json.loads(dashboard.read_text())["panels"]:
            at = panel["gridPos"]
            own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
            assert not cells & own, (dashboard.name, panel["title"])
            cells |= own


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_leads_to_its_section(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    notes = alert["annotations"]
    assert notes["summary"]
    assert notes["description"]
    path, _, anchor = notes["runbook"].partition("#")
    assert ROOT / path == RUNBOOK
    text = sections()[anchor]
    for part in ("Symptom", "Causes", "Look", "Cure"):
        assert f"**{part}" in text, part
    assert anchor == alert["alert"].lower()


def test_every_section_is_of_an_alert_and_every_alert_has_one() -> None:
    assert set(sections()) == {alert["alert"].lower() for alert in alerts()}


def test_the_runbook_names_commands_and_variables_that_exist() -> None:
    text = RUNBOOK.read_text()
    (commands,) = [
        action.choices for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    named = set(re.findall(r"ximilar-sync ([a-z]+)", text.replace("ximilar-sync.", "")))
    assert named <= set(commands)
    assert named >= {"status", "errors", "health"}
    variables = {variable.name for variable in (*VARIABLES, *GATEWAY_VARIABLES)}
    for name in re.findall(r"\b((?:XIMILAR|GATEWAY|METRICS|STAGING)_[A-Z_]+|BATCH_SIZE|WORKERS)\b", text):
        # The switch for removals comes with the removals.
        assert name in variables | {"XIMILAR_REMOVE"}, name


def test_metrics_are_found_in_expressions() -> None:
    found = metrics_in(
        'sum by (a) (rate(x_total{b="c,d"}[5m])) / on (e) y:z unless time() - 3 * w{f!~"g"} > 0'
    )
    assert found == {"x_total": {"b"}, "y:z": set(), "w": {"f"}}


def demand_known(expression: str) -> None:
    """Fail unless every metric is documented or recorded, and every label it is selected by is one of its own."""
    known = everything()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    found = metrics_in(expression)
    assert found
    for name, labels in found.items():
        if name in recorded:
            continue
        assert name in known, f"{name} in {expression}"
        assert labels <= {*known[name].labels, *OURS_BY_SCRAPE, "le"}, f"{name}{labels} in {expression}"
