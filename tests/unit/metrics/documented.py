"""Reads the table of metrics in ops/prometheus/README.md, and the names in PromQL expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = ROOT / "ops/prometheus/README.md"
RULES = ROOT / "ops/prometheus/ximilar-sync.rules.yml"

_ROW = re.compile(r"\| `(\w+)` \| (\w+) \| ([^|]*)\| (.+) \|")
_TEXT = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\s*\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_DURATION = re.compile(r"\[[^\]]*\]")
_WORD = re.compile(r"\b([a-zA-Z_:][\w:]*)\b(?!\s*\()")
_KEYWORDS = frozenset({"and", "or", "unless", "by", "on", "without", "ignoring", "offset", "bool"})


@dataclass(frozen=True, slots=True)
class Documented:
    """A row of the table."""

    kind: str
    labels: tuple[str, ...]
    meaning: str


def table(section: str) -> dict[str, Documented]:
    """{metric: its row} of one section of the README."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", README.read_text(), re.M | re.S)
    return {
        name: Documented(kind, tuple(part.strip() for part in labels.split(",") if part.strip()), meaning)
        for name, kind, labels, meaning in _ROW.findall(text)
    }


def everything() -> dict[str, Documented]:
    """{sample name: its row} of all sections; a histogram's samples have names of their own."""
    found: dict[str, Documented] = {}
    for section in ("Metrics of the sync", "Metrics of the gateway", "Metrics of others that the alerts use"):
        for name, row in table(section).items():
            parts = ("_bucket", "_sum", "_count") if row.kind == "histogram" else ("",)
            found.update({name + part: row for part in parts})
    return found


def metrics_in(expression: str) -> dict[str, set[str]]:
    """{metric: labels it is selected by} of a PromQL expression."""
    bare = _GROUPING.sub("", _DURATION.sub("", _TEXT.sub('""', expression)))
    found: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(bare):
        labels = {
            re.split(r"[!=~]", matcher)[0].strip() for matcher in matchers.split(",") if matcher.strip()
        }
        found.setdefault(name, set()).update(labels)
    for name in _WORD.findall(_SELECTOR.sub(r"\1", bare)):
        if name not in _KEYWORDS:
            found.setdefault(name, set())
    return found
