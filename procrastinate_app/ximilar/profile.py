"""What a profile of Ximilar's API can do. Pure: arguments in, a call out; an answer in, a value out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .answers import Candidate, Item, Photo, Record, Stored, Tags
from .calls import Call


class Profile(Protocol):
    """The calls this project makes, in one way of speaking to Ximilar.

    Every call may raise the errors of `errors` when it is read. `store` and `remove` take at most `batch`
    records and answer for each of them by its URL; a refused record is a `Stored` with a fault, no exception.

    `tag` takes at most `batch` photos too, and gives the calls to make at once. Each answers for every photo, in
    their order: what it knows of it, or None where the photo is refused. The first call says what a garment is
    like; the others, marked as `optional`, only add to it. A single photo that is refused is an ItemFault.

    `search` finds about `top_k` products. `category` is one to keep to, if the API can: a caller that wants
    nothing else still has to look itself.
    """

    @property
    def name(self) -> str: ...

    @property
    def collection_id(self) -> str: ...

    @property
    def batch(self) -> int: ...

    @property
    def gives_crops(self) -> bool:
        """Whether `detect` gives the addresses of crops."""

    def store(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def remove(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def detect(self, url: str) -> Call[list[Item]]: ...

    def tag(self, photos: Sequence[Photo]) -> Sequence[Call[list[Tags | None]]]: ...

    def search(self, photo: Photo, top_k: int, category: str | None = None, /) -> Call[list[Candidate]]: ...
