"""Finds the products of a filter, a page at a time, within bounds of time and rows.

raw_products belongs to others and may have no index but its key. A filter on columns is one statement; text, or a
statement that took too long, is looked for in slices of ids from the newest down, for as long as a page may take.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .filters import ProductFilter
from .staging import MAX_ID, Row, Session, Staging, TooSlow

PAGE = 50
FIRST_SLICE, MOST_SLICE = 10_000, 160_000
SEARCH_SECONDS = 2.0
COUNT_CAP = 10_001
COUNT_SECONDS = 1.5


@dataclass(slots=True)
class Found:
    """A page of products. `older` continues it (None: that was all); `looked_at` rows if the search was stopped
    before it was over; `exact` are the rows whose SKU is the text itself."""

    rows: list[Row] = field(default_factory=list)
    older: int | None = None
    looked_at: int | None = None
    exact: list[Row] = field(default_factory=list)


def find(staging: Staging, chosen: ProductFilter, below: int = MAX_ID) -> Found:
    """Return the page of products below an id, the newest first."""
    if chosen.q is None:
        try:
            with staging.reading() as session:
                return _page(_rows(session, chosen, 0, below))
        except TooSlow:
            pass
    found = _in_slices(staging, chosen, below)
    if chosen.q is not None and below == MAX_ID:
        found.exact = _exact(staging, chosen.q, {row["id"] for row in found.rows})
    return found


def count(staging: Staging, chosen: ProductFilter) -> int | None:
    """How many match, counted to COUNT_CAP; None where counting takes too long, as it does with text."""
    if chosen.q is not None:
        return None
    try:
        with staging.reading(seconds=COUNT_SECONDS) as session:
            total: int = session.value("count_matching", **chosen.parameters, cap=COUNT_CAP)
            return total
    except TooSlow:
        return None


def _in_slices(staging: Staging, chosen: ProductFilter, below: int) -> Found:
    deadline = time.monotonic() + SEARCH_SECONDS
    rows, looked_at, size = list[Row](), 0, FIRST_SLICE
    while True:
        try:
            with staging.reading(seconds=SEARCH_SECONDS) as session:
                floor = session.value("id_below", below=below, rows=size)
                rows += _rows(session, chosen, (floor or 1) - 1, below, PAGE + 1 - len(rows))
        except TooSlow:
            return Found(rows, below, looked_at)
        looked_at += size
        if floor is None or len(rows) > PAGE:
            return _page(rows)
        if time.monotonic() > deadline:
            return Found(rows, floor, looked_at)
        below, size = floor, min(MOST_SLICE, size * 2)


def _rows(
    session: Session, chosen: ProductFilter, above: int, below: int, limit: int = PAGE + 1
) -> list[Row]:
    return session.all("products_page", **chosen.parameters, above=above, below=below, limit=limit)


def _page(rows: list[Row]) -> Found:
    return Found(rows[:PAGE], rows[PAGE - 1]["id"] if len(rows) > PAGE else None)


def _exact(staging: Staging, sku: str, known: set[int]) -> list[Row]:
    """An exact SKU is what one looks for most: found wherever in the table it is."""
    try:
        with staging.reading(seconds=SEARCH_SECONDS) as session:
            return [row for row in session.all("products_of_sku", sku=sku) if row["id"] not in known]
    except TooSlow:
        return []
