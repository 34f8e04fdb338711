"""Boxes of what stands out from the border; names guessed from a box's shape and place, by no model."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from PIL import Image, ImageChops

GRID = 24
"""The picture is looked at as GRID x GRID cells."""
CONTRAST = 40
"""A cell stands out when one of its channels differs so much from the border's."""
MIN_SHARE = 0.02
MAX_OBJECTS = 5

Box = tuple[int, int, int, int]
STRIDE = GRID + 1  # a cell is row * STRIDE + column; the spare column keeps the ends of rows apart


@dataclass(frozen=True, slots=True)
class Detected:
    """An object: `box` is left, top, right, bottom in pixels, `prob` 0 to 1."""

    name: str
    box: Box
    prob: float


def detect(image: Image.Image) -> list[Detected]:
    """The objects of an RGB image, largest first; empty for a blank one."""
    regions = [cells for cells in _regions(_standing_out(image)) if len(cells) >= MIN_SHARE * GRID**2]
    regions.sort(key=lambda cells: (-len(cells), min(cells)))
    return [_describe(cells, image.size) for cells in regions[:MAX_OBJECTS]]


def name_of(box: Box, size: tuple[int, int]) -> str:
    """What a garment of such a box might be, in a picture of `size` pixels."""
    left, top, right, bottom = box
    aspect = (bottom - top) / max(1, right - left)
    middle = (top + bottom) / 2 / size[1]
    if aspect >= 1.6:
        return "Pants" if middle > 0.6 else "Dress"
    if aspect <= 0.6:
        return "Shoes" if middle > 0.4 else "Hat"
    return "Skirt" if middle > 0.6 else "T-Shirt"


def _standing_out(image: Image.Image) -> set[int]:
    small = image.resize((GRID, GRID), Image.Resampling.BOX)
    background = Image.new("RGB", small.size, _border_colour(small))
    red, green, blue = ImageChops.difference(small, background).split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue).tobytes()
    return {i // GRID * STRIDE + i % GRID for i, value in enumerate(strongest) if value > CONTRAST}


def _border_colour(small: Image.Image) -> tuple[int, int, int]:
    """The median of the outermost cells, channel by channel."""
    pixels = small.tobytes()
    border = [i for i in range(GRID**2) if i % GRID in (0, GRID - 1) or i // GRID in (0, GRID - 1)]

    def median(channel: int) -> int:
        return int(statistics.median(pixels[3 * i + channel] for i in border))

    return median(0), median(1), median(2)


def _regions(cells: set[int]) -> list[set[int]]:
    """`cells` split into what hangs together."""
    regions = []
    left = set(cells)
    while left:
        region, edge = set[int](), {left.pop()}
        while edge:
            region |= edge
            edge = {cell + step for cell in edge for step in (-1, 1, -STRIDE, STRIDE)} & left
            left -= edge
        regions.append(region)
    return regions


def _describe(cells: set[int], size: tuple[int, int]) -> Detected:
    rows, columns = zip(*(divmod(cell, STRIDE) for cell in cells), strict=True)
    left, top, right, bottom = min(columns), min(rows), max(columns) + 1, max(rows) + 1
    width, height = size
    box = (left * width // GRID, top * height // GRID, -(-right * width // GRID), -(-bottom * height // GRID))
    filled = len(cells) / ((right - left) * (bottom - top))
    return Detected(name_of(box, size), box, round(0.5 + 0.49 * filled, 4))
