"""Which failures of the database a write that must not be lost waits for."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from procrastinate_app import sending
from procrastinate_app.sending import patiently

READ_ONLY, NO_GRANT, NO_TABLE, NO_COLUMN = "25006", "42501", "42P01", "42703"
DISK_FULL, GONE = "53100", "57P01"
NO_NUMBER, NOT_NULL, TWICE, TOO_LONG = "22P02", "23502", "23505", "22001"


class Write:
    """Fails once, with the error of a code, then returns what it was given."""

    def __init__(self, code: str) -> None:
        self.times = 0
        self._error = psycopg.errors.lookup(code)

    async def __call__(self, value: int) -> int:
        self.times += 1
        if self.times == 1:
            raise self._error("no")
        return value


@pytest.mark.parametrize("code", [READ_ONLY, NO_GRANT, NO_TABLE, NO_COLUMN, DISK_FULL, GONE])
def test_what_a_repaired_database_would_take_is_written_again(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LEDGER_PAUSE_SECONDS", 0.0)
    write = Write(code)
    assert asyncio.run(patiently(write, 7)) == 7
    assert write.times == 2


@pytest.mark.parametrize("code", [NO_NUMBER, NOT_NULL, TWICE, TOO_LONG])
def test_a_wrong_value_is_not_written_again(code: str) -> None:
    write = Write(code)
    with pytest.raises(psycopg.errors.lookup(code)):
        asyncio.run(patiently(write, 7))
    assert write.times == 1
