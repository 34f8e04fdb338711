"""What a profile of Ximilar's API can do. Pure: arguments in, a call out; an answer in, a value out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .answers import Candidate, Item, Record, Stored, Tags
from .calls import Call


class Profile(Protocol):
    """The calls this project makes, in one way of speaking to Ximilar.

    Every call may raise the errors of `errors` when it is read. `store` and `remove` take at most `batch`
    records and answer for each of them by its URL; a refused record is a `Stored` with a fault, no exception.
    """

    @property
    def name(self) -> str: ...

    @property
    def collection_id(self) -> str: ...

    @property
    def batch(self) -> int: ...

    def store(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def remove(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def detect(self, url: str) -> Call[list[Item]]: ...

    def tag(self, url: str) -> Call[Tags]: ...

    def search(self, url: str, top_k: int) -> Call[list[Candidate]]: ...
