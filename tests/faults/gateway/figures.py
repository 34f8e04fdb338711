"""What a drill prints: requests, those that failed, 5xx by cause, seconds."""

from __future__ import annotations

from collections.abc import Iterable

from tests.integration.gateway.load import Load


def tell(what: str, load: Load) -> None:
    """Print the figures of a load that has ended."""
    broken = {outcome: count for outcome, count in load.lost.items() if not outcome.isdigit()}
    errors = ", ".join(f"{count} {cause}" for cause, count in load.causes.most_common()) or "none"
    print(
        f"{what}: {len(load.seconds)} requests, {broken or 'none'} broken off, 5xx: {errors};"
        f" p50 {quantile(load.seconds, 0.5):.3f} s, p99 {quantile(load.seconds, 0.99):.3f} s,"
        f" longest {max(load.seconds):.3f} s"
    )


def quantile(seconds: Iterable[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
