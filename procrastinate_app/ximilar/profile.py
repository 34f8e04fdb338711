"""What a profile of Ximilar's API can do. Pure: arguments in, a call out; an answer in, a value out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .answers import Candidate, Item, Page, Photo, Record, Stored, Tags
from .calls import Call


class Keyed(Protocol):
    """What can be done where each record has an id of ours (`Record.remote_id`).

    There, storing a record whose id exists changes nothing and says `already`.
    """

    def update(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Replace the metadata of at most `batch` records; the photos stay as they are."""
        ...

    def page(self, number: int) -> Call[Page]:
        """List the collection, part by part from 1."""
        ...

    def look(self, ids: Sequence[str]) -> Call[Page]:
        """Those of at most `batch` records that are there."""
        ...


class Profile(Protocol):
    """The calls this project makes, in one way of speaking to Ximilar.

    Every call may raise the errors of `errors` when it is read. `store` and `remove` take at most `batch`
    records and answer for each of them; a refused record is a `Stored` with a fault, no exception. `keyed` is None
    where a record is known by its address and SKU alone. `remove_is_proven` is whether anybody has tried `remove`.

    `gives_crops` is whether an item that `detect` finds comes with the address of its crop.

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
    def keyed(self) -> Keyed | None: ...

    @property
    def remove_is_proven(self) -> bool: ...

    @property
    def gives_crops(self) -> bool: ...

    def store(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def remove(self, records: Sequence[Record]) -> Call[list[Stored]]: ...

    def detect(self, url: str) -> Call[list[Item]]: ...

    def tag(self, photos: Sequence[Photo]) -> Sequence[Call[list[Tags | None]]]: ...

    def search(self, photo: Photo, top_k: int, category: str | None = None, /) -> Call[list[Candidate]]: ...
