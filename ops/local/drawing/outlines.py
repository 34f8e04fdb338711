"""The shapes of garments as closed outlines, on a canvas of 240 x 320 units with its axis at x = 120.

A garment is a list of parts, painted in order: cloth, trim or shade, or a line along it (a seam).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

WIDTH, HEIGHT = 240, 320
AXIS = WIDTH / 2
STEPS = 12  # straight pieces between two points of a curve

Point = tuple[float, float]
Curve = Sequence[Point]
Paint = Literal["cloth", "trim", "shade", "light", "line"]


@dataclass(frozen=True, slots=True)
class Part:
    """One painted area, or one line of `width` units."""

    points: Curve
    paint: Paint = "cloth"
    width: float = 0.0


def smooth(points: Curve) -> list[Point]:
    """Return a curve through the points (Catmull-Rom); two points stay a straight line."""
    padded = [points[0], *points, points[-1]]
    curve = [
        _between(padded[i : i + 4], step / STEPS) for i in range(len(points) - 1) for step in range(STEPS)
    ]
    return [*curve, points[-1]]


def _between(window: Curve, t: float) -> Point:
    def axis(k: int) -> float:
        a, b, c, d = (point[k] for point in window)
        return 0.5 * (
            2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
        )

    return axis(0), axis(1)


def closed(*curves: Curve) -> list[Point]:
    """Join curves to an outline; it has a corner wherever one curve ends and the next begins."""
    return [point for curve in curves for point in smooth(curve)]


def mirrored(*curves: Curve) -> list[Point]:
    """Return a symmetric outline of its right half, whose x counts from the axis, going down."""
    right = closed(*curves)
    return [(AXIS + x, y) for x, y in right] + [(AXIS - x, y) for x, y in reversed(right)]


def both(*curves: Curve, paint: Paint = "cloth") -> list[Part]:
    """Return a part on the right, whose x counts from the axis, and its mirror image."""
    right = closed(*curves)
    return [Part([(AXIS + side * x, y) for x, y in right], paint) for side in (1, -1)]


def seam(*points: Point, width: float = 1.0) -> Part:
    """Return a curved line."""
    return Part(smooth(points), "line", width)


def disc(x: float, y: float, radius: float, paint: Paint = "trim") -> Part:
    """Return a round part: a button, an eyelet, a pompon."""
    k = radius * 0.75
    ring = [(x, y - radius), (x + k, y - k), (x + radius, y), (x + k, y + k), (x, y + radius)]
    ring += [(x - k, y + k), (x - radius, y), (x - k, y - k), (x, y - radius)]
    return Part(smooth(ring), paint)


def buttons(top: float, bottom: float, count: int, x: float = AXIS) -> list[Part]:
    """Return a row of buttons down the front."""
    gap = (bottom - top) / (count - 1)
    return [disc(x, top + i * gap, 2.6) for i in range(count)]


def folds(xs: Sequence[tuple[float, float]], top: float, bottom: float) -> list[Part]:
    """Return lines that fall from (axis + first x, top) to (axis + second x, bottom)."""
    return [Part([(AXIS + a, top), (AXIS + b, bottom)], "line", 1.0) for a, b in xs]


Garment = Callable[[], list[Part]]


def stitches(points: Curve, width: float = 0.8) -> list[Part]:
    """Return a dashed line along the points."""
    curve = smooth(points)
    return [Part([a, b], "line", width) for i, (a, b) in enumerate(pairwise(curve)) if i % 2 == 0]
