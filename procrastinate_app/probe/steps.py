"""What the probe asks, in its order, and what each question ought to cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..ximilar import questions
from ..ximilar.calls import Call
from ..ximilar.fashion import SEARCH_METHODS
from ..ximilar.questions import RECOGNITION_METHODS, SERVICES, TOO_MANY, UNREADABLE, Questions, Said

FARTHEST = 200
"""Neighbours asked for: the more, the nearer the last one's distance is to the largest there is."""
INSERT, SEARCH_BY_ID, SEARCH_BY_IMAGE, DETECT, COLORS = 10, 1, 10, 5, 5
"""Credits for an image: what Ximilar's price list and integrators say, `COLORS` is a guess."""

SKU = "ximilar-sync-probe"
PAGES = (1, 2)
METADATA: Mapping[str, str] = {"sku_id": SKU, "product_id": SKU, "brand": "probe"}


@dataclass(frozen=True, slots=True)
class Step:
    """One call. `credits` is the expected cost; the account is looked at before and after if `weighed`."""

    name: str
    call: Call[Said]
    credits: int = 0
    weighed: bool = False
    other_token: bool = False
    """Whether it goes with a token that cannot be valid."""
    inserts: frozenset[str] = field(default_factory=frozenset)
    """The ids that may be in the collection afterwards."""


def all_steps(asking: Questions, photo: str, run_id: str) -> list[Step]:
    """The steps; the records they insert have ids with `run_id`, a text no other run has."""
    first, second = f"{SKU}-{run_id}-1", f"{SKU}-{run_id}-2"
    return [
        *_access(asking.collection_id),
        *_collection(asking, first, second, photo),
        *_search(asking, first, photo),
        *_metadata(asking, first, second),
        *_limits(asking, run_id),
        *_vision(photo),
        *_deletion(asking, first, second),
    ]


def credits_expected(steps: list[Step]) -> int:
    """What they cost if the price list is right and refusals are free."""
    return sum(step.credits for step in steps)


def _access(collection_id: str) -> Iterator[Step]:
    yield Step("wrong token", questions.details(), other_token=True)
    for service in SERVICES:
        yield Step(f"service {service}", questions.authorize(service))
    for method in RECOGNITION_METHODS:
        yield Step(f"recognition {method}", questions.recognition(method, collection_id))


def _collection(asking: Questions, first: str, second: str, photo: str) -> Iterator[Step]:
    yield Step("list", asking.first_page(), weighed=True)
    inserted = asking.insert({first: photo}, **METADATA)
    yield Step("insert", inserted, INSERT, weighed=True, inserts=frozenset({first}))
    yield Step("duplicate", inserted, weighed=True, inserts=frozenset({first}))
    mixed = asking.insert({first: photo, second: UNREADABLE}, **METADATA)
    yield Step("duplicate and unreadable", mixed, weighed=True, inserts=frozenset({first, second}))
    for number in PAGES:
        yield Step(f"page {number}", asking.page(number))


def _search(asking: Questions, first: str, photo: str) -> Iterator[Step]:
    for method in SEARCH_METHODS:
        call = asking.search(method, FARTHEST, record_id=first)
        yield Step(f"{method} by id", call, SEARCH_BY_ID, weighed=True)
    by_image = asking.search(SEARCH_METHODS[0], 1, url=photo)
    yield Step(f"{SEARCH_METHODS[0]} by photo", by_image, SEARCH_BY_IMAGE, weighed=True)


def _metadata(asking: Questions, first: str, second: str) -> Iterator[Step]:
    yield Step("update", asking.update(first, name="changed"), weighed=True)
    yield Step("get", asking.get(first), weighed=True)
    yield Step("update with null", asking.update(first, name=None))
    yield Step("get after null", asking.get(first))
    yield Step("get in part", asking.get(first, second))
    yield Step("update unknown", asking.update(second, name="changed"), inserts=frozenset({second}))


def _limits(asking: Questions, run_id: str) -> Iterator[Step]:
    unknown = [f"{SKU}-{run_id}-none-{number}" for number in range(TOO_MANY)]
    yield Step(f"get {TOO_MANY}", asking.get(*unknown))
    yield Step(f"detect {TOO_MANY}", questions.detect(*[UNREADABLE] * TOO_MANY), weighed=True)


def _vision(photo: str) -> Iterator[Step]:
    yield Step("detect", questions.detect(photo), DETECT, weighed=True)
    yield Step("colours", questions.colors(photo), COLORS, weighed=True)


def _deletion(asking: Questions, first: str, second: str) -> Iterator[Step]:
    yield Step("delete", asking.delete(first), weighed=True)
    yield Step("delete unknown", asking.delete(first, second))
