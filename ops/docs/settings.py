"""python -m ops.docs.settings [--write]: renders ops/docs/settings.md from the variables that the programs read.

Whatever module under procrastinate_app/ or web/ is called settings.py and has VARIABLES is a program's.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from procrastinate_app.environment import Variable
from procrastinate_app.settings import WORKER

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("settings.md")

HEAD = """\
# Settings

Made by `python -m ops.docs.settings --write` from the code; a test holds it current. All programs read the
environment and, under it, `.env` in the current folder (XIMILAR_ENV_FILE names another; empty: none). `xxx` counts as
not set. Switches are `on` or `off`. A wrong value ends the program at its start with code 78 and a line for each fault.
Secrets are masked wherever settings or logs are shown.
"""

TITLES = {
    "procrastinate_app.settings": "Worker and command line",
    "web.gateway.settings": "Gateway",
    "web.console.settings": "Console",
}

COMPOSE = """\
## Docker

Read by `docker compose`, not by the programs.

| variable | default | meaning |
|---|---|---|
| COMPOSE_FILE | | `ops/compose.yaml`: makes the plain `docker compose` work in the project's root |
| COMPOSE_PROFILES | | what runs on this host: `worker`, `gateway`, `console`, several with commas |
| PRIVATE_ADDRESS | gateway 10.1.0.12, exporter 127.0.0.1 | the address on which their ports are published |
| IMAGE_TAG | local | the tag of the image |
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program's settings: the module that declares them, and its variables in their order."""

    module: str
    variables: tuple[Variable, ...]

    @property
    def title(self) -> str:
        """What the page calls it."""
        return TITLES.get(self.module, self.module)


def programs() -> list[Program]:
    """All programs with settings, the worker first."""
    paths = [*ROOT.glob("procrastinate_app/**/settings.py"), *sorted(ROOT.glob("web/*/settings.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    found = ((name, getattr(importlib.import_module(name), "VARIABLES", ())) for name in names)
    return [Program(name, variables) for name, variables in found if variables]


def variables() -> dict[str, Variable]:
    """{name: variable} of all programs; one that several programs read means the same to each."""
    return {variable.name: variable for program in programs() for variable in program.variables}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(program) for program in programs()), COMPOSE])


def _section(program: Program) -> str:
    rows = (_row(variable) for variable in program.variables)
    head = f"## {program.title}\n\n| variable | default | meaning |\n|---|---|---|\n"
    return head + "".join(rows)


def _row(variable: Variable) -> str:
    default = f" {variable.default} " if variable.default else " "
    return f"| {variable.name} |{default}| {'; '.join(_notes(variable))} |\n"


def _notes(variable: Variable) -> Iterable[str]:
    yield variable.meaning.replace("|", "\\|")
    if variable.name in WORKER:
        yield "**required by the worker**"
    if variable.secret:
        yield "secret"


def main(arguments: list[str]) -> int:
    """Print the page, or write it; return the exit code."""
    if arguments not in ([], ["--write"]):
        print("usage: python -m ops.docs.settings [--write]", file=sys.stderr)
        return 2
    if arguments:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
