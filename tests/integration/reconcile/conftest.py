"""Fixtures of the tests that keep a collection true."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fix_postgres import Database
from tests.integration.reconcile.harness import Harness


@pytest.fixture
def harness(database: Database, owner: psycopg.Connection, profile: str) -> Iterator[Harness]:
    """A worker's tasks over a fresh Staging and an empty collection; removing and carrying over are on."""
    harness = Harness(database.url, owner, XIMILAR_API_PROFILE=profile)
    yield harness
    harness.close()


@pytest.fixture
def other(harness: Harness, database: Database, owner: psycopg.Connection, profile: str) -> Iterator[Harness]:
    """A second worker, over the same Staging and the same collection."""
    other = Harness(database.url, owner, XIMILAR_API_PROFILE=profile)
    other.ximilar = harness.ximilar
    yield other
    other.close()
