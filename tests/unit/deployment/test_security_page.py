"""SECURITY.md names tests and files: each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.unit.sources import nodes

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "SECURITY.md").read_text()
ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
TEST = re.compile(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`")


def named_tests() -> list[tuple[str, str]]:
    """(file, test) of every test on the page; in a row a file stands for the tests after it, too."""
    found, file = [], ""
    for row in ROW.findall(PAGE):
        for named, test in TEST.findall(row):
            file = named or file
            found.append((file, test))
    return found


def test_every_test_it_names_exists() -> None:
    named = named_tests()
    assert len(named) > 40
    for file, test in named:
        functions = {node.name for node in nodes(ROOT / file) if isinstance(node, ast.FunctionDef)}
        assert test in functions, f"{file}::{test}"


def test_every_point_has_a_test() -> None:
    points = ROW.findall(PAGE)[2:]
    assert [row for row in points if not TEST.search(row)] == []


def test_every_file_it_links_exists() -> None:
    missing = [target for target in re.findall(r"\]\(([^)]+)\)", PAGE) if not (ROOT / target).is_file()]
    assert missing == []
