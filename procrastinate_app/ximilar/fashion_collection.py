"""The calls of profile `fashion` that keep a collection: insert, update, delete, listing."""

from __future__ import annotations

from collections.abc import Sequence

from .answers import Record, Stored
from .calls import Call


def insert(path: str, collection_id: str, records: Sequence[Record]) -> Call[list[Stored]]:
    """Store photos."""
    raise NotImplementedError


def delete(path: str, collection_id: str, records: Sequence[Record]) -> Call[list[Stored]]:
    """Remove photos."""
    raise NotImplementedError
