"""Reads the markers of a JPEG (ITU-T T.81, B.1), to know what decoding it would cost before anything decodes it.

A progressive picture is decoded over once a scan, and a scan that adds nothing takes 26 bytes: a small file may
keep a decoder busy for an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SCANS = 100  # libjpeg's own progressions have ten, hand-made ones a few tens
MAX_SEGMENTS = 4000  # a file of 20 MB with nothing but full segments has 300

# Those with a length: what is coded has a zero after 0xff, and millions of restarts are looked over at no cost.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA


class TooMany(ValueError):
    """More scans, or segments, than a photo has."""


@dataclass(frozen=True, slots=True)
class Scans:
    """How a JPEG is put together; `components` are those of its first scan."""

    count: int
    components: int
    progressive: bool

    def in_one_go(self, components: int) -> bool:
        """Whether a picture of so many components is decoded line by line, never kept whole as coefficients."""
        return not self.progressive and self.components == components


def of(photo: bytes) -> Scans:
    """Return how a JPEG is put together, as far as its end or as it can be followed. Raises TooMany."""
    count, components, progressive = 0, 0, False
    for segments, (marker, place) in enumerate(_segments(photo)):
        progressive = progressive or marker in _PROGRESSIVE
        if marker == _SCAN:
            count += 1
            components = components or int.from_bytes(photo[place + 4 : place + 5])
        if count > MAX_SCANS or segments > MAX_SEGMENTS:
            raise TooMany
    return Scans(count, components, progressive)


def _segments(photo: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker that has a length, and where it is. Pictures inside of segments are stepped over."""
    place = 2  # after the marker of the start
    while found := _MARKER.search(photo, place):
        marker, place = photo[found.start() + 1], found.end()
        if marker in (_START, _END):
            return
        yield marker, found.start()
        place += int.from_bytes(photo[place : place + 2])
