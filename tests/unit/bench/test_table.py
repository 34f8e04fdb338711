"""Tables are Markdown, and figures have three digits that mean something."""

from __future__ import annotations

import pytest

from ops.bench import table

EXPECTED = """
Speed

|      | requests/s | p50 |
|------|-----------:|----:|
| ours |      4,000 |   1 |
| o    |          9 |  20 |
"""


def test_a_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    table.show("Speed", ("", "requests/s", "p50"), [("ours", "4,000", 1), ("o", 9, 20)])
    assert capsys.readouterr().out == EXPECTED


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")),
        *((0.01234, "0.0123"), (0.0, "0"), (-150.0, "-150"), (-0.5, "-0.5")),
    ],
)
def test_figures(value: float, text: str) -> None:
    assert table.figure(value) == text
