"""Collections: photos with descriptor and metadata, in memory, one record a photo as in a real index."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.emulator.descriptor import Descriptor, similarity

STORED, REMOVED, ABSENT, DUPLICATE, FULL = 200, 200, 404, 411, 412
"""The values of `status.code` a collection answers with, of Ximilar's published set."""


RecordId = str | int
PRODUCT_FIELDS = ("sku_id", "sku", "product_id")
"""Under which a client may say what product a photo belongs to."""


@dataclass(slots=True)
class Photo:
    """One record: what is known of one image of a product."""

    id: RecordId
    url: str | None
    """None where the image itself was sent."""
    metadata: Mapping[str, Any]
    descriptor: Descriptor = field(repr=False)
    stored_at: float = field(default_factory=time.time)
    times_sent: int = 1
    """1 when it was stored, one more for each call that sent it again."""

    @property
    def sku_id(self) -> str | None:
        """The product it belongs to."""
        return product_of(self.metadata)


def product_of(metadata: Mapping[str, Any]) -> str | None:
    """The product that `metadata` names."""
    return next((metadata[name] for name in PRODUCT_FIELDS if isinstance(metadata.get(name), str)), None)


class Collection:
    """Thread-safe; at most one record for an id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._photos: dict[RecordId, Photo] = {}
        self._by_sku: dict[str, dict[RecordId, Photo]] = {}
        self._sent_again = 0

    def refusal(self, record_id: RecordId, *, capacity: int) -> int | None:
        """DUPLICATE (and counts it), FULL, or None when the photo would be stored now."""
        with self._lock:
            return self._refusal(record_id, capacity)

    def add(self, photo: Photo, *, capacity: int) -> int:
        """STORED, or why not: DUPLICATE or FULL. A capacity of 0 has no end."""
        with self._lock:
            if (refusal := self._refusal(photo.id, capacity)) is not None:
                return refusal
            self._photos[photo.id] = photo
            self._join_product(photo)
            return STORED

    def _refusal(self, record_id: RecordId, capacity: int) -> int | None:
        if (known := self._photos.get(record_id)) is not None:
            known.times_sent += 1
            self._sent_again += 1
            return DUPLICATE
        return FULL if capacity and len(self._photos) >= capacity else None

    def get(self, record_id: RecordId) -> Photo | None:
        """The record of that id."""
        with self._lock:
            return self._photos.get(record_id)

    def update(self, record_id: RecordId, metadata: Mapping[str, Any], *, replace: bool) -> Photo | None:
        """Merge `metadata` into a record's, or put it in its place; the descriptor stays. None: no such record."""
        with self._lock:
            photo = self._photos.get(record_id)
            if photo is not None:
                self._leave_product(photo)
                photo.metadata = metadata if replace else {**photo.metadata, **metadata}
                self._join_product(photo)
            return photo

    def remove(self, record_id: RecordId) -> int:
        """REMOVED or ABSENT."""
        with self._lock:
            photo = self._photos.pop(record_id, None)
            if photo is None:
                return ABSENT
            self._leave_product(photo)
            return REMOVED

    def search(
        self, descriptor: Descriptor, k: int, *, where: Callable[[Photo], bool] | None = None
    ) -> list[tuple[float, Photo]]:
        """The `k` photos most like `descriptor` with their similarity, best first; of those that fit `where`."""
        photos = self.photos() if where is None else filter(where, self.photos())
        scored = ((similarity(descriptor, photo.descriptor), photo) for photo in photos)
        return heapq.nlargest(k, scored, key=lambda pair: pair[0])

    def urls_of(self, sku_id: str) -> list[str]:
        """Every address stored for a SKU, oldest first."""
        with self._lock:
            return [photo.url for photo in self._by_sku.get(sku_id, {}).values() if photo.url is not None]

    def photos(self) -> list[Photo]:
        """Every photo, oldest first."""
        with self._lock:
            return list(self._photos.values())

    @property
    def sent_again(self) -> int:
        """How many calls sent a photo that was there already."""
        return self._sent_again

    def clear(self) -> None:
        """Forget every photo and the count of what was sent again."""
        with self._lock:
            self._photos.clear()
            self._by_sku.clear()
            self._sent_again = 0

    def _join_product(self, photo: Photo) -> None:
        if photo.sku_id is not None:
            self._by_sku.setdefault(photo.sku_id, {})[photo.id] = photo

    def _leave_product(self, photo: Photo) -> None:
        if photo.sku_id is not None:
            del self._by_sku[photo.sku_id][photo.id]
