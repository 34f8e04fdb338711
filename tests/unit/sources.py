"""The project's Python files as syntax trees; each is read and walked once for all tests of a session."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree, which nobody may change."""
    return ast.parse(path.read_text())


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's syntax tree, in no particular order."""
    return tuple(ast.walk(tree(path)))
