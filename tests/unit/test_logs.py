"""One line an event, facts as fields, and no secret in any of them."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from procrastinate_app import logs

from .sources import nodes

PACKAGE = Path(logs.__file__).parent
SECRET = "s3cret-s3cret"  # pragma: allowlist secret
URL = f"postgresql://ximilar:{SECRET}@db/x"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the events go; logging is as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """Log as JSON with a secret registered; the events written so far."""
    logs.configure("info", "json", secrets=[SECRET, URL], stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(lines: Lines) -> None:
    logs.get("a.module").info("product_synced", sku="SKU-1", photos=3, seconds=0.5, note="two\nlines")
    (event,) = lines()
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        **{"event": "product_synced", "level": "info", "logger": "a.module"},
        **{"sku": "SKU-1", "photos": 3, "seconds": 0.5, "note": "two\nlines"},
    }


def test_events_below_the_level_are_not_written(lines: Lines) -> None:
    logs.get("x").debug("nothing")
    assert lines() == []


def test_a_librarys_record_comes_in_the_same_form(lines: Lines) -> None:
    logging.getLogger("some.library").warning("%s of %d", "one", 2)
    (event,) = lines()
    assert (event["event"], event["level"], event["logger"]) == ("one of 2", "warning", "some.library")


@pytest.mark.parametrize(
    "name", ["procrastinate.worker", "urllib3.connectionpool", "psycopg.pool", "asyncio"]
)
def test_what_libraries_say_at_info_is_not_written(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).error("news")
    assert [event["event"] for event in lines()] == ["news"]


class Holder:
    """Something whose text holds a secret."""

    def __repr__(self) -> str:
        return f"<Holder of {SECRET}>"


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"Authorization: Token {SECRET}",
        URL,
        [SECRET, {"deep": (SECRET,)}],
        {"a": {"b": [SECRET]}},
        {SECRET: 1},
        {SECRET, "x"},
        SECRET.encode(),
        RuntimeError(SECRET),
        Holder(),
        [Holder()],
    ],
)
def test_a_secret_is_replaced_wherever_it_is(lines: Lines, stream: io.StringIO, value: object) -> None:
    logs.get("x").info("event", value=value)
    assert SECRET not in stream.getvalue()
    assert "***" in stream.getvalue()
    assert len(lines()) == 1


def test_a_secret_in_the_event_is_replaced(stream: io.StringIO, lines: Lines) -> None:
    logs.get("x").info(f"connecting to {URL}")
    logging.getLogger("library").error("connecting to %s", URL)
    assert SECRET not in stream.getvalue()


def test_a_secret_in_a_traceback_is_replaced(stream: io.StringIO, lines: Lines) -> None:
    try:
        raise RuntimeError(f"token {SECRET}") from ValueError(SECRET)
    except RuntimeError:
        logs.get("x").exception("failed")
        logging.getLogger("library").exception("failed")
    assert SECRET not in stream.getvalue()
    assert [("RuntimeError: token ***" in event["exception"]) for event in lines()] == [True, True]


def test_plain_values_stay_what_they_are(lines: Lines) -> None:
    number = UUID(int=7)
    logs.get("x").info("event", whole=1, part=0.5, yes=True, none=None, id=number, many=[1, 2], map={"a": 1})
    (event,) = lines()
    assert (event["whole"], event["part"], event["yes"], event["none"]) == (1, 0.5, True, None)
    assert (event["id"], event["many"], event["map"]) == (str(number), [1, 2], {"a": 1})


def test_a_long_value_is_cut(lines: Lines) -> None:
    logs.get("x").info("event", value="v" * 10_000)
    assert len(lines()[0]["value"]) == logs.VALUE_LIMIT + len(" ... ")


def test_a_long_traceback_keeps_its_end_which_says_what_happened(lines: Lines) -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise RuntimeError("what happened")
        deep_again(levels - 1)

    def deep_again(levels: int) -> None:
        deep(levels)

    try:
        deep(40)
    except RuntimeError:
        logs.get("x").exception("failed")
    assert lines()[0]["exception"].rstrip().endswith("RuntimeError: what happened")


def test_text_for_a_terminal(stream: io.StringIO) -> None:
    logs.configure("info", "text", secrets=[SECRET], stream=stream)
    logs.get("x").info("product_synced", sku="SKU-1", token=SECRET)
    (line,) = stream.getvalue().splitlines()
    assert "product_synced" in line
    assert "sku=SKU-1" in line
    assert SECRET not in line


def test_auto_is_json_where_nobody_watches(stream: io.StringIO) -> None:
    logs.configure("info", "auto", stream=stream)
    logs.get("x").info("event")
    assert json.loads(stream.getvalue())["event"] == "event"


def test_event_names_are_constant_words() -> None:
    odd: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        for node in nodes(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value) != "log":
                continue
            name = node.args[0]
            words = [name.body, name.orelse] if isinstance(name, ast.IfExp) else [name]
            for word in words:
                good = isinstance(word, ast.Constant) and re.fullmatch("[a-z]+(_[a-z]+)*", str(word.value))
                odd += [] if good else [f"{path.name}:{node.lineno}"]
    assert odd == []
