"""The named statements: those in the files are those in the code, and the files follow their format."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from procrastinate_app import queries
from procrastinate_app.queries import SQL_FOLDER, QueryFileError, all_queries, sql

from .sources import nodes

ROOT = SQL_FOLDER.parent
CODE = [path for folder in ("procrastinate_app", "web") for path in (ROOT / folder).rglob("*.py")]


def strings(path: Path) -> Iterator[str]:
    """Every text in a module that is no docstring."""
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def asked_for(path: Path) -> Iterator[str]:
    """The names a module asks for where it asks by a literal: tx.all("x"), sql("x"), ..."""
    for node in nodes(path):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        whose = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        name = node.args[0]
        ours = called == "sql" or (
            called in ("all", "one", "value", "run") and re.search(r"(database|tx|session)$", whose)
        )
        if ours and isinstance(name, ast.Constant):
            yield str(name.value)


def test_every_statement_in_the_files_is_used() -> None:
    used = {text for path in CODE for text in strings(path)}
    assert set(all_queries()) - used == set()


def test_every_statement_asked_for_is_in_the_files() -> None:
    asked = {name for path in CODE for name in asked_for(path)}
    assert len(asked) > 30
    assert asked - set(all_queries()) == set()


def test_every_parameter_given_is_one_of_the_statement() -> None:
    wrong: list[str] = []
    for path in CODE:
        for node in nodes(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            name = node.args[0]
            if not (isinstance(name, ast.Constant) and str(name.value) in all_queries()):
                continue
            given = {keyword.arg for keyword in node.keywords}
            wanted = set(re.findall(r"%\((\w+)\)s", sql(str(name.value))))
            if None not in given and node.func.attr in ("all", "one", "value", "run") and given != wanted:
                wrong.append(f"{path.name}:{node.lineno}: {name.value!r}: {given ^ wanted}")
    assert wrong == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        sql("no_such_statement")


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> dict[str, str]:
    (folder / "queries").mkdir()
    for name, text in files.items():
        (folder / "queries" / f"{name}.sql").write_text(text)
    monkeypatch.setattr(queries, "SQL_FOLDER", folder)
    return dict(all_queries.__wrapped__())


def test_comments_are_no_part_of_a_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "-- About 100 % of it.\n\n-- name: one\n-- Why.\nSELECT 1\n  -- because\n FROM x\n\n-- name: two\nSELECT 2\n"
    assert load(tmp_path, monkeypatch, a=text) == {"one": "SELECT 1\n FROM x", "two": "SELECT 2"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "-- name: one\n-- name: two\nSELECT 2"}, r"a.sql:1: one is empty"),
        ({"a": "SELECT 1\n-- name: one\nSELECT 1"}, r"a.sql: a statement before the first name"),
        ({"a": "-- name: one\nSELECT 1\n-- name: one\nSELECT 1"}, r"a.sql:3: one exists already"),
        ({"a": "-- name: one\nSELECT 1", "b": "-- name: one\nSELECT 1"}, r"b.sql:1: one exists already"),
        ({"a": "-- name: one"}, r"a.sql:1: one is empty"),
    ],
)
def test_a_file_that_breaks_the_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryFileError, match=message):
        load(tmp_path, monkeypatch, **files)


def test_a_name_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slip of the pen makes one statement of two."""
    with pytest.raises(QueryFileError, match=r"a.sql:3"):
        load(tmp_path, monkeypatch, a="-- name: one\nSELECT 1\n-- name: Two Words\nSELECT 2")


def test_every_statement_is_one_statement() -> None:
    assert [name for name, text in all_queries().items() if ";" in text] == []


def test_every_statement_is_told_what_it_is_for_unless_its_name_says_it() -> None:
    for path in (SQL_FOLDER / "queries").glob("*.sql"):
        assert path.read_text().startswith("-- "), path.name
