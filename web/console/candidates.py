"""What will become of candidates for removal, in words. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from procrastinate_app.reconcile import Guard

from . import phrases

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What will happen, or will not. `tone` is calm or warn; `held` whether an operator is asked."""

    text: str
    tone: str = "calm"
    held: bool = False


def outlook(
    held: Row | None, confirmed: int | None, guard: Guard, now: datetime.datetime, *, may_remove: bool
) -> Outlook:
    """Tell it from the newest comparison (removals_held), and how many candidates are confirmed; None: not known."""
    if held is None:
        return Outlook("No comparison has ended yet: nothing is known of products without a place.")
    if not may_remove:
        return Outlook(
            f"XIMILAR_REMOVE is off for the profile {held['profile']}: nothing is removed."
            f" With it on, {_products(confirmed)} would be removed{_or_held(confirmed, guard)}.",
            "warn" if confirmed else "calm",
        )
    if held["held"]:
        return Outlook(f"{held_since(held, now)} {_WAITS}", "warn", held=True)
    if confirmed == 0:
        return Outlook(f"Nothing is about to be removed. {_rule(guard)}")
    return Outlook(f"The next comparison removes {_products(confirmed)}. {_rule(guard)}")


def held_since(held: Row, now: datetime.datetime) -> str:
    """`30 removals are held since comparison 7, 2 h ago.`"""
    number = held["held"]
    then = f" (then {held['since_held']:,})" if held["since_held"] != number else ""
    subject = "1 removal is" if number == 1 else f"{number:,} removals are"
    return (
        f"{subject} held since comparison {held['since_id']}, {phrases.ago(held['since_at'], now)}{then}:"
        " too many at once."
    )


_WAITS = "Nothing is removed until an operator applies them, or until enough of the products have their place again."


def _products(count: int | None) -> str:
    if count is None:
        return "an unknown number of products"
    return "1 product" if count == 1 else f"{count:,} products"


def _or_held(confirmed: int | None, guard: Guard) -> str:
    return ", or held if that is too many at once" if confirmed and confirmed > guard.free else ""


def _rule(guard: Guard) -> str:
    return (
        f"What is still missing after {phrases.duration(guard.debounce)} is removed, unless it is more than"
        f" {guard.most:,} products at once, or more than {guard.free:,} that are {guard.percent:g} % of those stored."
    )
