"""Paints a garment as a studio photo: backdrop, shadow, cloth with some volume, seams."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from ops.local.drawing.fabrics import UNIT, Fabric
from ops.local.drawing.outlines import HEIGHT, WIDTH, Garment, Part, Point

CANVAS = (WIDTH * UNIT, HEIGHT * UNIT)
LIGHT, SHADE, INK = "#f4efe6", "#2b2724", "#1d1a18"
SEAM_STRENGTH = 105  # of 255: a seam darkens the cloth, it does not cover it


@dataclass(frozen=True, slots=True)
class Look:
    """How one garment is made and where it is photographed; colours are written #rrggbb."""

    garment: Garment
    fabric: Fabric
    ground: str
    figure: str
    trim: str
    backdrop: str


def front(look: Look) -> Image.Image:
    """The whole garment."""
    return _reduced(_painted(look, look.backdrop))


def other_side(look: Look) -> Image.Image:
    """The garment mirrored, somewhat smaller and turned, before a paler wall."""
    garment = _worn(look)
    turned = garment.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(4, Image.Resampling.BICUBIC)
    small = turned.resize((CANVAS[0] * 88 // 100, CANVAS[1] * 88 // 100), Image.Resampling.LANCZOS)
    placed = Image.new("RGBA", CANVAS)
    placed.paste(small, (CANVAS[0] * 6 // 100, CANVAS[1] * 6 // 100))
    return _reduced(_before_wall(placed, _mixed(look.backdrop, "#ffffff", 0.45)))


def detail(look: Look) -> Image.Image:
    """The middle of the garment from near."""
    width, height = CANVAS
    part = (width * 27 // 100, height * 27 // 100, width * 77 // 100, height * 77 // 100)
    return _reduced(_painted(look, look.backdrop).crop(part))


def _painted(look: Look, backdrop: str) -> Image.Image:
    return _before_wall(_worn(look), backdrop)


def _worn(look: Look) -> Image.Image:
    """The garment alone, on transparency."""
    cloth = look.fabric(CANVAS, look.ground, look.figure)
    paints = {"cloth": cloth, "trim": _flat(look.trim), "light": _flat(LIGHT), "shade": _flat(SHADE)}
    picture = Image.new("RGBA", CANVAS)
    for part in look.garment():
        if part.paint == "line":
            _draw_line(picture, part, look)
        else:
            _draw_area(picture, part, paints[part.paint])
    return picture


def _draw_area(picture: Image.Image, part: Part, paint: Image.Image) -> None:
    """Fill a part; it is darker towards its edges, as something round is, and has a thin contour."""
    mask = Image.new("L", CANVAS)
    points = _pixels(part)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    depth = mask.filter(ImageFilter.GaussianBlur(_roundness(points))).point(
        lambda value: min(255, 96 + value * 3 // 4)
    )
    picture.paste(ImageChops.multiply(paint, Image.merge("RGB", [depth] * 3)), (0, 0), mask)
    contour = Image.new("L", CANVAS)
    ImageDraw.Draw(contour).line([*points, points[0]], fill=90, width=UNIT + 1, joint="curve")
    picture.paste(INK, (0, 0), ImageChops.darker(contour, mask))


def _roundness(points: list[Point]) -> float:
    """How far the dark of an edge reaches into the part, in pixels: a button is not as deep as a coat."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(9.0 * UNIT, 0.09 * min(max(xs) - min(xs), max(ys) - min(ys)))


def _draw_line(picture: Image.Image, part: Part, look: Look) -> None:
    """Draw a seam over the cloth, or a broad line (a handle, a lace) in the colour of the trim."""
    veil = Image.new("L", CANVAS)
    broad = part.width >= 2
    strength = 255 if broad else SEAM_STRENGTH
    ImageDraw.Draw(veil).line(_pixels(part), fill=strength, width=round(part.width * UNIT), joint="curve")
    picture.paste(look.trim if broad else INK, (0, 0), veil)


def _before_wall(garment: Image.Image, colour: str) -> Image.Image:
    """Lay the garment on a wall that is lit from above, with a soft shadow."""
    ramp = Image.linear_gradient("L").resize(CANVAS).point(lambda value: value * 60 // 255)
    wall = Image.composite(_flat(_mixed(colour, SHADE, 0.5)), _flat(colour), ramp)
    shadow = (
        garment.getchannel("A").filter(ImageFilter.GaussianBlur(5 * UNIT)).point(lambda value: value * 2 // 5)
    )
    wall.paste(INK, (2 * UNIT, 4 * UNIT), shadow)
    wall.paste(garment, (0, 0), garment)
    return wall


def _reduced(picture: Image.Image) -> Image.Image:
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _pixels(part: Part) -> list[Point]:
    return [(x * UNIT, y * UNIT) for x, y in part.points]


def _flat(colour: str) -> Image.Image:
    return Image.new("RGB", CANVAS, colour)


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in pairs).hex()
