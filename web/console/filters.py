"""What a list is filtered by: read from the URL, written back into links, said in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import urlencode

from . import phrases
from .staging import MAX_ID

TEXT_LIMIT = 200
JOB_STATES = ("todo", "doing", "failed", "cancelled", "aborted", "succeeded")
REMOVAL_STATES = ("found", "confirmed", "leaving")
PRODUCT_STATES = ("pending", "synced", "error")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WILD = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products; None: any. `q` is text that SKU, name or error contains."""

    state: str | None = None
    brand: str | None = None
    category: str | None = None
    cause: str | None = None
    q: str | None = None

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """Read the parameters of a URL or a form, which may be anything."""
        return cls(**{name: text(params, name) for name in cls.__dataclass_fields__})

    @property
    def chosen(self) -> dict[str, str]:
        """The parts that are set, for links."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def query(self) -> str:
        """The filter as it stands in a URL."""
        return urlencode(self.chosen)

    @property
    def parameters(self) -> dict[str, str | None]:
        """The filter as find_products_v1 takes it."""
        pattern = None if self.q is None else "%" + _WILD.sub(r"\\\1", self.q) + "%"
        named = {"state": self.state, "brand": self.brand, "category": self.category, "cause": self.cause}
        return {**named, "pattern": pattern}

    @property
    def words(self) -> str:
        """The filter for people: `in error, of brand Nord`."""
        said = [
            self.state and not (self.cause and self.state == "error") and f"in state {self.state}",
            self.cause and f"in error: {phrases.cause(self.cause)}",
            self.brand and f"of brand {self.brand}",
            self.category and f"of category {self.category}",
            self.q and f"with “{self.q}” in SKU, name or error",
        ]
        return ", ".join(part for part in said if part) or "all products"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None: any."""

    state: str | None = None
    task: str | None = None

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """Read the parameters of a URL; a state that does not exist counts as none."""
        state = text(params, "state")
        return cls(state if state in JOB_STATES else None, text(params, "task"))

    @property
    def query(self) -> str:
        """The filter as it stands in a URL."""
        return urlencode({name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True, slots=True)
class RemovalFilter:
    """Which candidates for removal; None: any."""

    state: str | None = None
    reason: str | None = None

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """Read the parameters of a URL; a word that does not exist counts as none."""
        state, reason = text(params, "state"), text(params, "reason")
        return cls(state if state in REMOVAL_STATES else None, reason if reason in phrases.ABSENCES else None)


def text(params: Mapping[str, Any], name: str) -> str | None:
    """A parameter as printable text, cut; None where it is missing or blank."""
    given = params.get(name)
    value = given[-1] if isinstance(given, list) and given else given
    if not isinstance(value, str):
        return None
    return _CONTROL.sub(" ", value.encode("utf-8", "replace").decode()).strip()[:TEXT_LIMIT] or None


def whole(params: Mapping[str, Any], name: str, default: int) -> int:
    """A parameter as a number that can be an id; the default where it is none."""
    value = text(params, name) or ""
    return (
        int(value)
        if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= MAX_ID
        else default
    )
