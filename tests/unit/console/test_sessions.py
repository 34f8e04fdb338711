"""The session's cookie, and the memory of failed sign-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from web.console.sessions import Failures, Sessions
from web.console.users import Users, hash_password


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def password_hash() -> str:
    """One for all tests here: hashing is slow on purpose."""
    return hash_password("correct horse")


@pytest.fixture
def path(tmp_path: Path, password_hash: str) -> Path:
    path = tmp_path / "users"
    path.write_text(f"olga:operator:{password_hash}\n")
    return path


@pytest.fixture
def sessions(path: Path, clock: Clock) -> Sessions:
    return Sessions(Users(str(path)), "key", 1.0, clock)


@pytest.fixture
def cookie(sessions: Sessions, path: Path) -> str:
    return sessions.begin(Users(str(path)).all()["olga"])


def test_a_session_knows_its_user(sessions: Sessions, cookie: str) -> None:
    user = sessions.user(cookie)
    assert user is not None
    assert (user.name, user.may_act) == ("olga", True)


def test_a_session_expires(sessions: Sessions, cookie: str, clock: Clock) -> None:
    clock.now += 3599
    assert sessions.user(cookie) is not None
    clock.now += 2
    assert sessions.user(cookie) is None


@pytest.mark.parametrize("part", range(4))
def test_nothing_of_a_cookie_can_be_changed(sessions: Sessions, cookie: str, part: int) -> None:
    parts = cookie.split(".")
    parts[part] = ("1" if parts[part][0] != "1" else "2") + parts[part][1:]
    assert sessions.user(".".join(parts)) is None


@pytest.mark.parametrize("cookie", [None, "", "a.b.c", "...", "b2xnYQ.x.y.z", "\udcff.1.2.3", "é.1.2.é"])
def test_garbage_is_nobody(sessions: Sessions, cookie: str | None) -> None:
    assert sessions.user(cookie) is None


def test_another_key_knows_nobody(path: Path, cookie: str, clock: Clock) -> None:
    assert Sessions(Users(str(path)), "other", 1.0, clock).user(cookie) is None


def test_signing_out_ends_the_copy_of_a_cookie_too(sessions: Sessions, cookie: str) -> None:
    sessions.end(cookie)
    assert sessions.user(cookie) is None
    sessions.end("garbage")


def test_a_new_password_and_a_new_role_end_sessions(sessions: Sessions, cookie: str, path: Path) -> None:
    known = path.read_text()
    path.write_text(known.replace(":operator:", ":viewer:"))
    assert sessions.user(cookie) is None
    path.write_text(f"olga:operator:{hash_password('another one')} ")
    assert sessions.user(cookie) is None


def test_the_fifth_failure_of_a_name_is_the_last_for_a_while(clock: Clock) -> None:
    failures = Failures(clock=clock)
    for _ in range(5):
        assert failures.wait("10.0.0.1", "olga") == 0
        failures.note("10.0.0.1", "olga")
        clock.now += 1
    assert failures.wait("10.0.0.1", "olga") == 295
    assert failures.wait("10.0.0.2", "olga") == 0, "somebody else must not shut her out"
    clock.now += 295
    assert failures.wait("10.0.0.1", "olga") == 0


def test_an_address_that_tries_names_is_stopped(clock: Clock) -> None:
    failures = Failures(by_address=3, clock=clock)
    for name in ("a", "b", "c"):
        failures.note("10.0.0.1", name)
    assert failures.wait("10.0.0.1", "d") > 0


def test_signing_in_forgives(clock: Clock) -> None:
    failures = Failures(by_name=1, clock=clock)
    failures.note("10.0.0.1", "olga")
    failures.forgive("10.0.0.1", "olga")
    assert failures.wait("10.0.0.1", "olga") == 0
