"""The named statements of sql/queries/*.sql.

Format: a comment block about the file, then `-- name: x`, comment lines, one statement with %(parameters)s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

SQL_FOLDER = Path(__file__).parents[1] / "sql"
_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")


class QueryFileError(ValueError):
    """A query file does not follow the format; the message names file and line."""


@functools.cache
def all_queries() -> Mapping[str, str]:
    """Return {name: statement} of all query files. Raises QueryFileError."""
    found: dict[str, str] = {}
    for path in sorted((SQL_FOLDER / "queries").glob("*.sql")):
        for name, line, statement in _parse(path):
            if name in found:
                raise QueryFileError(f"{path.name}:{line}: {name} exists already")
            found[name] = statement
    return MappingProxyType(found)


def sql(name: str) -> str:
    """Return the statement of that name. Raises KeyError."""
    return all_queries()[name]


def _parse(path: Path) -> Iterator[tuple[str, int, str]]:
    name, begins, lines = "", 0, list[str]()
    for number, line in enumerate([*path.read_text().splitlines(), "-- name: end_of_file"], start=1):
        match = _NAME.fullmatch(line.strip())
        if not match:
            if line.lstrip().startswith("-- name:"):
                raise QueryFileError(f"{path.name}:{number}: a name is lower case, digits and underscores")
            lines.append(line)
            continue
        if name or _statement(lines):
            yield _checked(path, name, begins, lines)
        name, begins, lines = match.group(1), number, []


def _checked(path: Path, name: str, line: int, lines: list[str]) -> tuple[str, int, str]:
    statement = _statement(lines)
    if not name:
        raise QueryFileError(f"{path.name}: a statement before the first name")
    if not statement:
        raise QueryFileError(f"{path.name}:{line}: {name} is empty")
    return name, line, statement


def _statement(lines: list[str]) -> str:
    """The lines without those that only comment: a % in a comment would be taken for a parameter."""
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
