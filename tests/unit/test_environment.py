"""Variables become values; faults are reported all at once and never quote a value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from procrastinate_app import environment
from procrastinate_app.environment import SettingsError, Variable

SECRET = "hunter2-hunter2"  # pragma: allowlist secret


@pytest.mark.parametrize("text", ["1", "10", " 7 "])
def test_whole_number(text: str) -> None:
    assert environment.whole(1, 10)(text) == int(text)


@pytest.mark.parametrize("text", ["0", "11", "-1", "1.5", "lots", "", "9" * 5000, "0x10"])
def test_no_whole_number_within_the_range(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        environment.whole(1, 10)(text)


@pytest.mark.parametrize("text", ["0", "10.1", "nan", "inf", "-inf", "1e400", "ten", ""])
def test_no_number_within_the_range(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        environment.number(0.01, 10)(text)


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("TRUE", True), ("1", True), ("off", False), ("No", False), ("", False)]
)
def test_switch(text: str, value: bool) -> None:
    assert environment.switch(text) is value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (environment.switch, SECRET),
        (environment.whole(1, 2), SECRET),
        (environment.number(1, 2), SECRET),
        (environment.one_of("a", "b"), SECRET),
        (environment.http_url, SECRET),
        (environment.http_url, f"https://x/ {SECRET}"),
        (environment.http_url, f"https://{SECRET}@x"),
        (environment.http_url, f"https://x/?{SECRET}"),
        (environment.http_url, f"https://x/#{SECRET}"),
        (environment.http_url, f"https://x:{SECRET}"),
        (environment.http_url, f"https://ü/{SECRET}"),
        (environment.postgres_url, SECRET),
        (environment.printable, f"{SECRET} \n"),
        (environment.printable, f"{SECRET}é"),
    ],
)
def test_a_fault_does_not_quote_the_value(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        parse(text)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_one_of_ignores_case() -> None:
    assert environment.one_of("json", "text")("JSON") == "json"


def test_a_base_url_loses_its_slash() -> None:
    assert environment.http_url("https://api.ximilar.com/") == "https://api.ximilar.com"


VARIABLES = (
    Variable("A", "a", "", "5", environment.whole(1, 9)),
    Variable("B", "b", "", "", environment.postgres_url, secret=True),
    Variable("C", "c", ""),
)


def test_defaults_and_values() -> None:
    assert environment.read({"C": " x "}, VARIABLES) == {"a": 5, "b": "", "c": "x"}


def test_all_faults_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        environment.read({"A": "ten", "B": SECRET, "C": "xxx"}, VARIABLES, frozenset({"C"}))
    assert str(caught.value).splitlines() == [
        "A must be a whole number, 1 to 9",
        "B must start with postgresql://",
        "C is still 'xxx', the template's placeholder",
    ]


@pytest.mark.parametrize("value", [{}, {"C": ""}, {"C": "  "}])
def test_an_empty_variable_is_missing(value: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="C is not set"):
        environment.read(value, VARIABLES, frozenset({"C"}))


def test_the_placeholder_of_an_optional_variable_is_its_default() -> None:
    assert environment.read({"A": "xxx"}, VARIABLES)["a"] == 5


def test_the_environment_lies_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings"
    file.write_text('A=1\nB="two words"\n# C=3\nexport D=4\n')
    monkeypatch.setenv("A", "from the environment")
    found = environment.load(str(file))
    assert (found["A"], found["B"], found["D"]) == ("from the environment", "two words", "4")
    assert "C" not in found


def test_the_file_is_dotenv_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("SETTING_OF_THIS_TEST=1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XIMILAR_ENV_FILE")
    assert environment.load()["SETTING_OF_THIS_TEST"] == "1"
    monkeypatch.setenv("XIMILAR_ENV_FILE", "")
    assert "SETTING_OF_THIS_TEST" not in environment.load()


def test_a_file_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    environment.load(str(tmp_path / "none"))
