"""Crops that `detect` cut out, kept to be served; the oldest go when there are too many."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

PATH = "/_emulator/crops/"
MAX_CROPS = 4096


class Crops:
    """JPEG bytes by id; thread-safe. The id follows from the bytes: the same crop has the same address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()

    def add(self, jpeg: bytes) -> str:
        """Keep `jpeg`; returns its path on this server."""
        crop_id = hashlib.sha256(jpeg).hexdigest()[:24]
        with self._lock:
            self._jpegs[crop_id] = jpeg
            self._jpegs.move_to_end(crop_id)
            while len(self._jpegs) > MAX_CROPS:
                self._jpegs.popitem(last=False)
        return f"{PATH}{crop_id}.jpg"

    def get(self, path: str) -> bytes | None:
        """The crop at `path`, as `add` returned it."""
        with self._lock:
            return self._jpegs.get(path.removeprefix(PATH).removesuffix(".jpg"))
