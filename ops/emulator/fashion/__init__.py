"""Profile `fashion`: Fashion Tagging, Dominant Colors and the Fashion Search collection, as Ximilar documents them."""

from __future__ import annotations

from collections.abc import Mapping

from ops.emulator.fashion import account, colours, similarity, tagging
from ops.emulator.state import State


def routes(state: State) -> Mapping[str, object]:
    """The profile's resources by path."""
    parts = (tagging, colours, similarity, account)
    return {path: resource for part in parts for path, resource in part.routes(state).items()}
