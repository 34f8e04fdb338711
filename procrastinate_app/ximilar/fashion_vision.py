"""The calls of profile `fashion` that look at a photo: detection, tags, colours, search."""

from __future__ import annotations

from .answers import Candidate, Item, Tags
from .calls import Call


def detect(url: str) -> Call[list[Item]]:
    """Find the garments on a photo."""
    raise NotImplementedError


def tag(url: str) -> Call[Tags]:
    """Name what a garment is like."""
    raise NotImplementedError


def search(path: str, collection_id: str, url: str, top_k: int) -> Call[list[Candidate]]:
    """Find products that look alike."""
    raise NotImplementedError
