"""The ways of speaking to Ximilar, by name. Nothing outside this package asks which one it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .fashion import Fashion
from .profile import Profile
from .recognition import Recognition


class Wishes(Protocol):
    """What settings say of the API; each profile takes what concerns it."""

    @property
    def profile(self) -> str: ...

    @property
    def collection_id(self) -> str: ...

    @property
    def task_id(self) -> str: ...

    @property
    def collection_path(self) -> str: ...

    @property
    def search_method(self) -> str: ...


_MAKERS: dict[str, Callable[[Wishes], Profile]] = {
    "recognition": lambda wishes: Recognition(wishes.collection_id, wishes.task_id),
    "fashion": lambda wishes: Fashion(wishes.collection_id, wishes.collection_path, wishes.search_method),
}
_REMOVE_IS_PROVEN = {
    "recognition": Recognition.remove_is_proven,
    "fashion": Fashion.remove_is_proven,
}
_WITH_SEARCH_METHODS = frozenset({"fashion"})
NAMES = tuple(_MAKERS)


def make(wishes: Wishes) -> Profile:
    """Return the profile that is wished for by name."""
    return _MAKERS[wishes.profile](wishes)


def may_remove(name: str, wish: bool | None) -> bool:
    """Whether photos may leave the collection: as is wished for, else where the profile's call is proven."""
    return _REMOVE_IS_PROVEN[name] if wish is None else wish


def working(*, documented: bool, former: bool) -> str | None:
    """Return the name of the profile to use, the documented one if it works, else the old servers' if that does."""
    return "fashion" if documented else "recognition" if former else None


def has_search_methods(name: str) -> bool:
    """Whether the profile's search has several names to choose from."""
    return name in _WITH_SEARCH_METHODS
