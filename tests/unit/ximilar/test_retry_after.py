"""Retry-After in both its forms, clamped, and never an exception."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrastinate_app.ximilar.envelope import retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-3", 1.0),
        ("1.5", 1.5),
        ("300", 300.0),
        ("86400", 300.0),
        ("inf", 300.0),
        (email.utils.formatdate(NOW + 42, usegmt=True), 42.0),
        (email.utils.formatdate(NOW - 42, usegmt=True), 1.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 1.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("Fri, 99 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, now=NOW) == seconds


def test_absent() -> None:
    assert retry_after({}) is None


@given(st.text())
def test_total_and_clamped(value: str) -> None:
    found = retry_after({"retry-after": value})
    assert found is None or 1 <= found <= 300
