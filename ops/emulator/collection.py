"""The collection: photos with descriptor and metadata, in memory, one record a photo as in a real index."""

from __future__ import annotations

import hashlib
import heapq
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ops.emulator.descriptor import Descriptor, similarity

STORED, REMOVED, ABSENT, DUPLICATE, FULL = 200, 200, 404, 411, 412
"""The values of `status.code` a collection answers with (research on Ximilar's published set)."""


@dataclass(slots=True)
class Photo:
    """One record: an image address under a SKU."""

    sku_id: str
    url: str
    metadata: dict[str, Any]
    descriptor: Descriptor = field(repr=False)
    stored_at: float = field(default_factory=time.time)
    times_sent: int = 1
    """1 when it was stored, one more for each call that sent it again."""

    @property
    def id(self) -> str:
        """The same for the same photo in every run, so that runs can be compared."""
        return hashlib.sha256(f"{self.sku_id}\n{self.url}".encode()).hexdigest()[:32]


class Collection:
    """Thread-safe; at most one record for a SKU and address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._photos: dict[tuple[str, str], Photo] = {}
        self._urls: dict[str, list[str]] = {}
        self._sent_again = 0

    def refusal(self, sku_id: str, url: str, *, capacity: int) -> int | None:
        """DUPLICATE (and counts it), FULL, or None when the photo would be stored now."""
        with self._lock:
            return self._refusal((sku_id, url), capacity)

    def add(self, photo: Photo, *, capacity: int) -> int:
        """STORED, or why not: DUPLICATE or FULL. A capacity of 0 has no end."""
        key = (photo.sku_id, photo.url)
        with self._lock:
            if (refusal := self._refusal(key, capacity)) is not None:
                return refusal
            self._photos[key] = photo
            self._urls.setdefault(photo.sku_id, []).append(photo.url)
            return STORED

    def _refusal(self, key: tuple[str, str], capacity: int) -> int | None:
        if (known := self._photos.get(key)) is not None:
            known.times_sent += 1
            self._sent_again += 1
            return DUPLICATE
        return FULL if capacity and len(self._photos) >= capacity else None

    def remove(self, sku_id: str, url: str) -> int:
        """REMOVED or ABSENT."""
        with self._lock:
            if self._photos.pop((sku_id, url), None) is None:
                return ABSENT
            self._urls[sku_id].remove(url)
            return REMOVED

    def search(self, descriptor: Descriptor, k: int) -> list[tuple[float, Photo]]:
        """The `k` photos most like `descriptor` with their similarity, best first."""
        scored = ((similarity(descriptor, photo.descriptor), photo) for photo in self.photos())
        return heapq.nlargest(k, scored, key=lambda pair: pair[0])

    def urls_of(self, sku_id: str) -> list[str]:
        """Every address stored for a SKU, oldest first."""
        with self._lock:
            return list(self._urls.get(sku_id, ()))

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
            self._urls.clear()
            self._sent_again = 0
