"""The users' file: hashing, reading, writing, and the command that writes it."""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path

import pytest

from web.console import users
from web.console.users import User, Users, UsersFileError, hash_password, parse, verify

PASSWORD = "correct horse"  # pragma: allowlist secret


@functools.cache
def hashed() -> str:
    """The password's hash, for lines that only have to have one: hashing is slow on purpose."""
    return hash_password(PASSWORD)


def line(name: str = "olga", role: str = "operator") -> str:
    return f"{name}:{role}:{hashed()}\n"


def type_in(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))


def test_a_password_matches_its_hash_only() -> None:
    assert verify("correct horse", hashed())
    assert not verify("correct horsf", hashed())
    assert hashed() != hash_password("correct horse"), "the salt is new each time"


def test_a_hash_is_never_shown() -> None:
    assert "scrypt" not in repr(User("olga", "operator", hashed()))


def test_comments_and_empty_lines_are_skipped() -> None:
    assert list(parse(f"# people\n\n{line()}{line('victor', 'viewer')}")) == ["olga", "victor"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("olga\n", "line 1 is not name:role:hash"),
        ("olga:admin:x\n", "line 1: the role must be viewer or operator"),
        ("olga:viewer:plain\n", "line 1: the hash is none"),
        ("olga:viewer:scrypt$1048576$8$1$AAAA$AAAA\n", "line 1: the hash is none"),
        ("olga:viewer:scrypt$16384$8$1$AAAA$AAAA\n", "line 1: the hash is none"),
        (":viewer:x\n", "line 1 is not name:role:hash"),
    ],
)
def test_a_bad_line_is_named(text: str, reason: str) -> None:
    with pytest.raises(UsersFileError, match=reason) as caught:
        parse(text)
    assert "plain" not in str(caught.value)


def test_nobody_is_there_twice() -> None:
    with pytest.raises(UsersFileError, match="line 2: olga is there twice"):
        parse(line() + line())


def test_the_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(line())
    known = Users(str(path))
    assert known.check("olga", "correct horse") is not None
    path.write_text(line("victor", "viewer"))
    os.utime(path, (1, 1))
    assert known.check("olga", "correct horse") is None
    assert list(known.all()) == ["victor"]


def test_a_broken_file_closes_and_a_mended_one_opens(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("broken\n")
    known = Users(str(path))
    for _ in range(2):
        with pytest.raises(UsersFileError):
            known.all()
    path.write_text(line())
    assert list(known.all()) == ["olga"]


def test_a_missing_file_is_an_error_and_no_file_is_nobody(tmp_path: Path) -> None:
    with pytest.raises(UsersFileError, match="FileNotFoundError"):
        Users(str(tmp_path / "none")).all()
    assert Users("").all() == {}


def test_the_command_adds_changes_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    type_in(monkeypatch, "correct horse")
    assert users.main(["--file", str(path), "add", "olga", "--role", "operator"]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.read_text()
    type_in(monkeypatch, "battery staple")
    assert users.main(["--file", str(path), "add", "olga"]) == 0
    assert path.read_text() != first
    assert users.main(["--file", str(path), "list"]) == 0
    assert users.main(["--file", str(path), "remove", "olga"]) == 0
    assert path.read_text() == ""
    printed = capsys.readouterr().out
    assert printed == "added olga, operator\nchanged olga, viewer\nolga\tviewer\nremoved olga\n"


@pytest.mark.parametrize("password", ["", "short"])
def test_the_command_refuses_a_short_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    type_in(monkeypatch, password)
    assert users.main(["--file", str(tmp_path / "users"), "add", "olga"]) == 1
    assert not (tmp_path / "users").exists()


def test_the_command_needs_a_file() -> None:
    assert users.main(["list"]) == 78


def test_the_file_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_USERS_FILE", str(tmp_path / "users"))
    type_in(monkeypatch, "correct horse")
    assert users.main(["add", "olga"]) == 0
    assert (tmp_path / "users").exists()
