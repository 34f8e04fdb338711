"""Numbers, times and constant words as people read them. Pure; every text is still to be escaped."""

from __future__ import annotations

import datetime
import functools

import cron_descriptor  # type: ignore[import-untyped]

UTC = datetime.UTC
NOTHING = "\N{EN DASH}"

# What Ximilar's own codes say about a refused photo.
REFUSALS = {
    "404": "photo not found",
    "413": "photo too large",
    "415": "photo of a type Ximilar cannot read",
}

# Constant words of `attempts.cause` and what to make of them.
CAUSES = {
    "refused": "Ximilar refused the photo",
    "rate_limited": "over the rate limit",
    "no_photos": "no photo in the row",
    "address_refused": "photo address not allowed",
    "token_refused": "the token is not accepted",
    "forbidden": "the account may not do this",
    "credit_exhausted": "no credits left",
    "collection_full": "the collection is full",
    "path_unknown": "path unknown: wrong profile?",
    "unavailable": "Ximilar is not available",
    "server_fault": "Ximilar failed",
    "timed_out": "Ximilar did not answer in time",
    "no_answer": "no connection to Ximilar",
    "nonsense": "Ximilar's answer could not be read",
    "not_sent": "no connection to Ximilar",
    "not_ready": "photos not ready",
    "worker_died": "its worker died",
    "unrecorded": "in error since before this system",
    "operator": "paused by an operator",
    "gone": "the row is gone",
    "bug": "a fault of this program",
    "unfinished": "more photos than one job may send",
}

# Why a product has no place in the collection: `removals.reason`.
ABSENCES = {
    "gone": "its row is gone from the catalogue",
    "not_ready": "its photos are not ready any more",
    "no_photos": "its row lists no photo that can be used",
}


def absence(word: str) -> str:
    """`gone` -> `its row is gone from the catalogue`"""
    return ABSENCES.get(word, word.replace("_", " "))


def cause(word: str | None) -> str:
    """`refused 400` -> `Ximilar refused the photo (400)`"""
    name, _, code = (word or "").partition(" ")
    said = CAUSES.get(name, name.replace("_", " ") or "no cause given")
    if name == "refused":
        said = REFUSALS.get(code, said)
    return f"{said} ({code})" if code else said


def number(value: float | None) -> str:
    """1234567 -> 1,234,567"""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def capped(value: int, cap: int) -> str:
    """A count that was stopped at `cap`."""
    return f"{cap - 1:,}+" if value >= cap else f"{value:,}"


def percent(part: float, whole: float) -> str:
    """`12.5 %`; a little is never none, and almost all never all."""
    if whole <= 0:
        return NOTHING
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %" if share % 1 and share < 99.95 else f"{share:.0f} %"


def duration(seconds: float | None) -> str:
    """4000 -> 1 h 6 min: the two largest units."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left, said = round(seconds), list[str]()
    for name, size in units:
        if left >= size and len(said) < 2:
            said.append(f"{left // size} {name}")
            left %= size
        elif said:
            break
    return " ".join(said)


def ago(moment: datetime.datetime, now: datetime.datetime) -> str:
    """`3 min ago`, `in 2 h 5 min`, `now`"""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 2:
        return "now"
    # Seconds beside minutes are noise.
    largest = duration(abs(seconds) if abs(seconds) < 60 else 60 * round(abs(seconds) / 60))
    return f"{largest} ago" if seconds > 0 else f"in {largest}"


def moment(value: datetime.datetime) -> str:
    """`2026-11-22 10:00:07 UTC`"""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@functools.cache
def cron(expression: str) -> str:
    """`0 10 * * 0` -> `At 10:00, only on Sunday`"""
    options = cron_descriptor.Options()
    options.use_24hour_time_format = True
    return str(cron_descriptor.get_description(expression, options))
