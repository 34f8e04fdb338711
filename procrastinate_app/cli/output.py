"""Prints what a command found: JSON for programs, tables for people, the same facts in both."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


class Output:
    """Where a command's results go. Tables are plain text in a pipe."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)

    @property
    def interactive(self) -> bool:
        """Whether somebody is watching."""
        return self.console.is_terminal and not self.as_json

    def document(self, facts: Mapping[str, Any]) -> None:
        """Print one JSON document."""
        print(
            json.dumps(facts, default=str, ensure_ascii=False, indent=None if not sys.stdout.isatty() else 2)
        )

    def line(self, text: str = "") -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
        """Print rows under a title, or that there are none."""
        names = list(columns or (rows[0] if rows else ()))
        if not rows:
            self.line(f"{title}: none")
            return
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for name in names:
            table.add_column(name.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row.get(name)) for name in names))
        self.console.print(table)
        self.line()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def instant(seconds: float) -> str:
    """A moment, from seconds since the epoch, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """1:02:03"""
    return str(datetime.timedelta(seconds=round(seconds)))
