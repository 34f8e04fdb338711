"""Wherever settings are written down, it is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import dotenv
import pytest

from ops.docs import settings

ROOT = Path(__file__).parents[3]
ENV_EXAMPLE = ROOT / ".env.example"
README_ROW = re.compile(r"^\| ([A-Z][A-Z0-9_]+) \| ([^|]*)\|", re.MULTILINE)
NOT_FILLED_IN = "xxx"


def test_page_is_current() -> None:
    assert settings.PAGE.read_text() == settings.page(), "python -m ops.docs.settings --write"


def test_page_has_every_program() -> None:
    modules = [program.module for program in settings.programs()]
    assert modules == ["procrastinate_app.settings", "web.console.settings", "web.gateway.settings"]
    assert {program.title for program in settings.programs()} == set(settings.TITLES.values())


def test_variable_of_several_programs_has_one_meaning() -> None:
    known = settings.variables()
    for program in settings.programs():
        for variable in program.variables:
            same = known[variable.name]
            assert (variable.default, variable.meaning) == (same.default, same.meaning), variable.name


def test_example_names_every_variable() -> None:
    named = dotenv.dotenv_values(ENV_EXAMPLE, interpolate=False).keys()
    missing = settings.variables().keys() - named
    assert not missing, f".env.example lacks {', '.join(sorted(missing))}"


def test_example_has_the_defaults_of_the_code() -> None:
    written = dotenv.dotenv_values(ENV_EXAMPLE, interpolate=False)
    for name, variable in settings.variables().items():
        if name in written and written[name] != NOT_FILLED_IN:
            assert written[name] == variable.default, name


def test_example_reads_the_same_for_systemd_and_docker_and_python() -> None:
    """systemd knows no comment behind a value, Docker's older versions no quotes: neither is used."""
    lines = [line for line in ENV_EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    plain = dict(line.split("=", 1) for line in lines)
    assert plain == dotenv.dotenv_values(ENV_EXAMPLE, interpolate=False)
    for name, value in plain.items():
        assert not re.search(r"[\"'\\ $]| #", value), name


@pytest.mark.parametrize("name", sorted(set(README_ROW.findall((ROOT / "README.md").read_text()))))
def test_readme_agrees_with_the_code(name: tuple[str, str]) -> None:
    variable, said = name[0], name[1].strip()
    default = settings.variables()[variable].default
    assert said == default or (not default and said.startswith("required"))
