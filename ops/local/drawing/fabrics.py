"""Cloth: a pattern in two colours that fills a whole picture."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

Size = tuple[int, int]
Fabric = Callable[[Size, str, str], Image.Image]

UNIT = 4  # pixels a unit of the outlines, before the picture is reduced


def plain(size: Size, ground: str, _figure: str) -> Image.Image:
    """One colour."""
    return Image.new("RGB", size, ground)


def stripes(size: Size, ground: str, figure: str) -> Image.Image:
    """Horizontal stripes."""
    return _repeated(size, ground, (8, 18), lambda pen: pen.rectangle((0, 0, 8 * UNIT, 8 * UNIT), figure))


def pinstripes(size: Size, ground: str, figure: str) -> Image.Image:
    """Thin vertical lines."""
    return _repeated(size, ground, (11, 8), lambda pen: pen.rectangle((0, 0, UNIT + 2, 8 * UNIT), figure))


def dots(size: Size, ground: str, figure: str) -> Image.Image:
    """Dots in staggered rows."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for x, y in ((6, 6), (18, 18)):
            pen.ellipse(_square(x, y, 3.6), figure)

    return _repeated(size, ground, (24, 24), draw)


def checks(size: Size, ground: str, figure: str) -> Image.Image:
    """Gingham: where two stripes cross the colour is full."""
    half = Image.blend(Image.new("RGB", (1, 1), ground), Image.new("RGB", (1, 1), figure), 0.5).getpixel(
        (0, 0)
    )

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle(_box(0, 0, 10, 20), half)
        pen.rectangle(_box(0, 0, 20, 10), half)
        pen.rectangle(_box(0, 0, 10, 10), figure)

    return _repeated(size, ground, (20, 20), draw)


def tartan(size: Size, ground: str, figure: str) -> Image.Image:
    """Broad and narrow lines that cross."""
    cloth = Image.new("RGB", size, ground)
    for across, width, strength in ((0, 14, 110), (22, 3, 170), (30, 3, 170)):
        veil = Image.new("L", size)
        pen = ImageDraw.Draw(veil)
        for start in range(across * UNIT, max(size), 46 * UNIT):
            pen.rectangle((start, 0, start + width * UNIT, size[1]), strength)
            pen.rectangle((0, start, size[0], start + width * UNIT), strength)
        cloth.paste(figure, (0, 0), veil)
    return cloth


def flowers(size: Size, ground: str, figure: str) -> Image.Image:
    """Five-petalled flowers in staggered rows."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for x, y in ((10, 10), (29, 29)):
            for dx, dy in ((0, -5), (4.8, -1.5), (3, 4), (-3, 4), (-4.8, -1.5)):
                pen.ellipse(_square(x + dx, y + dy, 3.6), figure)
            pen.ellipse(_square(x, y, 2.4), "#f6d365")

    return _repeated(size, ground, (38, 38), draw)


def zigzag(size: Size, ground: str, figure: str) -> Image.Image:
    """Chevrons."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.line([(0, 4 * UNIT), (8 * UNIT, 14 * UNIT), (16 * UNIT, 4 * UNIT)], figure, 5 * UNIT)

    return _repeated(size, ground, (16, 20), draw)


def knit(size: Size, ground: str, figure: str) -> Image.Image:
    """Small stitches."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.line([(0, 0), (3.5 * UNIT, 5 * UNIT), (7 * UNIT, 0)], figure, UNIT)

    return _repeated(size, ground, (7, 6), draw)


def fade(size: Size, ground: str, figure: str) -> Image.Image:
    """From one colour above to the other below."""
    ramp = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, figure), Image.new("RGB", size, ground), ramp)


def denim(size: Size, ground: str, figure: str) -> Image.Image:
    """Twill: fine diagonals, washed out in patches."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.line([(0, 4 * UNIT), (4 * UNIT, 0)], figure, 3)

    return _repeated(size, ground, (4, 4), draw).filter(ImageFilter.GaussianBlur(1.2))


def _repeated(
    size: Size, ground: str, tile: tuple[int, int], draw: Callable[[ImageDraw.ImageDraw], object]
) -> Image.Image:
    width, height = tile[0] * UNIT, tile[1] * UNIT
    piece = Image.new("RGB", (width, height), ground)
    draw(ImageDraw.Draw(piece))
    cloth = Image.new("RGB", size)
    for x in range(0, size[0], width):
        for y in range(0, size[1], height):
            cloth.paste(piece, (x, y))
    return cloth


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return (left * UNIT, top * UNIT, right * UNIT - 1, bottom * UNIT - 1)


def _square(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return ((x - radius) * UNIT, (y - radius) * UNIT, (x + radius) * UNIT, (y + radius) * UNIT)
