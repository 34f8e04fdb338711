"""Profile `fashion`: Ximilar as it documents itself.

The collection's calls are in `fashion_collection`, those that look at a photo in `fashion_vision`. What is not
documented is read as if it might be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from . import fashion_collection, fashion_vision
from .account import Credits, credits_call
from .answers import Candidate, Item, Photo, Record, Stored, Tags
from .calls import Call
from .fashion_collection import FashionRecords

COLLECTION_PATH = "/similarity/fashion-new/v2"
SEARCH_METHOD = "visualKNN"
SEARCH_METHODS = ("visualKNN", "visual_search", "visualTagsKNN")


@dataclass(frozen=True, slots=True)
class Fashion:
    """`collection_id` goes into a header; its calls are below `collection_path`, the search is `search_method`."""

    collection_id: str
    collection_path: str = COLLECTION_PATH
    search_method: str = SEARCH_METHOD
    name: str = "fashion"
    batch: int = fashion_collection.MOST_RECORDS
    remove_is_proven: ClassVar[bool] = True
    gives_crops: ClassVar[bool] = False

    @property
    def keyed(self) -> FashionRecords:
        """Its records have ids of ours."""
        return FashionRecords(self.collection_path, self.collection_id)

    @property
    def credits(self) -> Call[Credits]:
        """The account's own."""
        return credits_call()

    def store(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Store up to 10 photos (`insert`)."""
        return fashion_collection.insert(self.collection_path, self.collection_id, records)

    def remove(self, records: Sequence[Record]) -> Call[list[Stored]]:
        """Remove up to 10 photos (`delete`); those that were not there are as good."""
        return fashion_collection.delete(self.collection_path, self.collection_id, records)

    def detect(self, url: str) -> Call[list[Item]]:
        """Find the garments on a photo."""
        return fashion_vision.detect(url)

    def tag(self, photos: Sequence[Photo]) -> Sequence[Call[list[Tags | None]]]:
        """Name type, colour, material and pattern of the garments on up to 10 photos; their hex apart."""
        return fashion_vision.tag(photos)

    def search(self, photo: Photo, top_k: int, category: str | None = None) -> Call[list[Candidate]]:
        """Find up to `top_k` products of the collection that look like this photo."""
        path = f"{self.collection_path}/{self.search_method}"
        return fashion_vision.search(path, self.collection_id, photo, top_k, category)
