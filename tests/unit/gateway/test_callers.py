"""The file of tokens: what it may hold, and how it is reread."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from web.gateway import __main__ as command
from web.gateway import callers
from web.gateway.callers import Callers, TokensFileError


def line(name: str, token: str) -> str:
    return f"{name}:{hashlib.sha256(token.encode()).hexdigest()}\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_comments_and_two_tokens_of_one_name(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(
        "# callers\n\n" + line("a", "one") + line("a", "two").strip() + "  # new\n" + line("b", "x")
    )
    known = Callers(str(file))
    assert known.name_of(b"Bearer one") == "a"
    assert known.name_of(b"bearer  two") == "a"
    assert known.name_of(b"Bearer x") == "b"
    assert known.name_of(b"Bearer three") is None
    assert known.name_of(b"Bearer \xff\xfe") is None
    assert known.name_of(b"Bearer " + b"x" * 1_000_000) is None


@pytest.mark.parametrize(
    "text", ["", "# nobody\n", "name\n", "name:abc\n", ":" + "0" * 64, "a b:" + "0" * 64, "s3cret-token"]
)
def test_a_wrong_file_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(TokensFileError) as caught:
        Callers(str(file))
    assert "s3cret" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokensFileError):
        Callers(str(tmp_path / "tokens"))


def test_reread_within_a_second_of_a_change(tmp_path: Path) -> None:
    file, clock = tmp_path / "tokens", Clock()
    file.write_text(line("a", "one"))
    known = Callers(str(file), clock=clock)
    file.write_text(line("a", "one") + line("a", "two"))
    clock.now += 1
    assert known.name_of(b"Bearer two") == "a"
    file.write_text("broken\n")
    clock.now += 1
    assert known.name_of(b"Bearer two") == "a"
    file.unlink()
    clock.now += 1
    assert known.name_of(b"Bearer two") == "a"


def test_a_new_process_knows_nobody_of_a_file_that_changed_and_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(line("orchestrator", "first"))
    known = Callers(str(path))
    known.begin()
    assert known.name_of(b"Bearer first") == "orchestrator"
    path.write_text("nonsense")
    known.begin()
    assert known.name_of(b"Bearer first") is None


def test_issued_tokens_are_valid_and_differ(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    (token, entry), (other, _) = callers.issue("a"), callers.issue("a")
    file.write_text(entry)
    assert Callers(str(file)).name_of(b"Bearer " + token.encode()) == "a"
    assert Callers(str(file)).name_of(b"Bearer " + other.encode()) is None


def test_command_prints_token_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["token", "orchestrator"]) == 0
    assert "orchestrator:" in capsys.readouterr().out
    assert command.main(["token", "a b"]) == 2
    assert command.main([]) == 2
