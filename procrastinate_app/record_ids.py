"""The ids of our records, where a collection lets us choose them. Pure.

An id is made of the product, the address of the photo and, where a photo was sent anew, the moment that was asked
for: the same photo inserted again meets itself, and new bytes under an old address are another record. What is said
about the product is not in it: that can be updated.
"""

from __future__ import annotations

import hashlib
import re

_OURS = re.compile(r"p([1-9][0-9]{0,17})-[0-9a-f]{32}")


def record_id(product_id: int, url: str, sent_before: float | None = None) -> str:
    """Return the id of a product's photo; `sent_before` is the moment of the `resend` that asked for it."""
    generation = "" if sent_before is None else f"{sent_before:.6f}"
    digest = hashlib.sha256(f"{url}\n{generation}".encode()).hexdigest()
    return f"p{product_id}-{digest[:32]}"


def product_of(remote_id: str) -> int | None:
    """Return the product that an id names, or None where the id is not one of ours."""
    found = _OURS.fullmatch(remote_id)
    return int(found[1]) if found else None
