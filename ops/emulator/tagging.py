"""Tags from pixels: the dominant colours are measured; type, material and pattern are simple guesses."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from PIL import Image, ImageFilter, ImageStat

from ops.emulator.detection import Box, detect, name_of

Tag = dict[str, Any]
Rgb = tuple[int, int, int]

SIDE = 24
COLOURS = 6
PLAIN_DEVIATION = 28.0
STRIPE_TURNS = 4
MATERIALS = ((12.0, "silk"), (30.0, "polyester"), (70.0, "cotton"), (256.0, "knit"))
"""Up to which mean edge strength (0 to 255) a surface is called so."""

NAMES: dict[str, Rgb] = {
    "black": (0, 0, 0),
    "charcoal": (45, 45, 50),
    "dimgray": (105, 105, 105),
    "gray": (150, 150, 150),
    "silver": (192, 192, 192),
    "white": (255, 255, 255),
    "ivory": (255, 250, 230),
    "beige": (225, 210, 180),
    "tan": (210, 180, 140),
    "khaki": (189, 183, 107),
    "brown": (120, 75, 40),
    "rosybrown": (160, 95, 110),
    "maroon": (115, 20, 30),
    "red": (215, 25, 35),
    "coral": (255, 127, 80),
    "salmon": (250, 150, 130),
    "orange": (250, 140, 20),
    "gold": (220, 170, 40),
    "yellow": (250, 230, 60),
    "olive": (110, 110, 40),
    "limegreen": (100, 200, 50),
    "green": (30, 130, 60),
    "darkgreen": (15, 70, 40),
    "mint": (170, 235, 200),
    "teal": (20, 130, 130),
    "turquoise": (64, 210, 205),
    "skyblue": (135, 200, 235),
    "royalblue": (60, 100, 220),
    "steelblue": (75, 120, 165),
    "navy": (25, 35, 85),
    "indigo": (70, 30, 120),
    "purple": (130, 50, 140),
    "lavender": (200, 185, 230),
    "hotpink": (245, 90, 170),
    "pink": (250, 190, 205),
}


def tag(image: Image.Image) -> dict[str, list[Tag]]:
    """The tags of the largest object of an RGB image, or of all of it; each list best first."""
    objects = detect(image)
    return tag_box(image, objects[0].box, objects[0].prob) if objects else tag_box(image, whole(image), 0.3)


def tag_box(image: Image.Image, box: Box, prob: float) -> dict[str, list[Tag]]:
    """The tags of what is in `box`, whose type is so probable; each list best first."""
    surface = surface_of(image, box)
    return {
        "Type": [{"name": name_of(box, image.size), "prob": prob}],
        "Color": colours(surface),
        "Material": [{"name": _material(surface), "prob": 0.4}],
        "Pattern": [{"name": _pattern(surface), "prob": 0.7}],
    }


def whole(image: Image.Image) -> Box:
    """The box that is all of the image."""
    return (0, 0, *image.size)


def surface_of(image: Image.Image, box: Box) -> Image.Image:
    """What colours are measured on: the inside of `box`, small."""
    return image.crop(_inner(box)).resize((SIDE, SIDE), Image.Resampling.BOX)


def colours(surface: Image.Image) -> list[Tag]:
    """The dominant colours, each with its share as `prob` and its hex as measured; a name comes once."""
    found: dict[str, Tag] = {}
    for share, (red, green, blue) in palette(surface):
        name = colour_name((red, green, blue))
        # Largest first: the hex is that of the name's largest share.
        entry = found.setdefault(name, {"name": name, "prob": 0.0, "hex": f"#{red:02X}{green:02X}{blue:02X}"})
        entry["prob"] = round(entry["prob"] + share, 4)
    return sorted(found.values(), key=lambda colour: -colour["prob"])[:3]


def palette(surface: Image.Image) -> list[tuple[float, Rgb]]:
    """At most COLOURS colours that stand for the surface, each with its share of it, largest first."""
    quantized = surface.quantize(colors=COLOURS, method=Image.Quantize.FASTOCTREE)
    values = quantized.getpalette() or []
    pixels = surface.width * surface.height
    return [
        (count / pixels, (values[3 * index], values[3 * index + 1], values[3 * index + 2]))
        for count, index in sorted(_counts(quantized), reverse=True)
    ]


@functools.lru_cache(maxsize=4096)  # a third of the time of tagging; photos are tagged more than once
def colour_name(colour: Rgb) -> str:
    """The name of the nearest colour that has one."""
    return min(NAMES, key=lambda name: _distance(colour, NAMES[name]))


def _inner(box: Box) -> Box:
    """`box` without its outer sixth, where the background shines in."""
    left, top, right, bottom = box
    across, down = (right - left) // 6, (bottom - top) // 6
    return left + across, top + down, right - across, bottom - down


def _counts(quantized: Image.Image) -> list[tuple[int, int]]:
    return [(count, index) for index, count in enumerate(quantized.histogram()) if count]


def _distance(one: Rgb, other: Rgb) -> float:
    """The "redmean" approximation of how different two colours look."""
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    mean = (one[0] + other[0]) / 2
    return (2 + mean / 256) * red**2 + 4.0 * green**2 + (2 + (255 - mean) / 256) * blue**2


def _material(surface: Image.Image) -> str:
    red, _green, blue = ImageStat.Stat(surface).mean
    edges = ImageStat.Stat(surface.convert("L").filter(ImageFilter.FIND_EDGES)).mean[0]
    if blue > red + 25 and edges > MATERIALS[0][0]:
        return "denim"
    return next(name for limit, name in MATERIALS if edges < limit)


def _pattern(surface: Image.Image) -> str:
    grey = surface.convert("L")
    if ImageStat.Stat(grey).stddev[0] < PLAIN_DEVIATION:
        return "solid"
    profiles = (grey.resize(size, Image.Resampling.BOX).tobytes() for size in ((1, SIDE), (SIDE, 1)))
    return "striped" if any(_turns(profile) >= STRIPE_TURNS for profile in profiles) else "patterned"


def _turns(profile: bytes) -> int:
    """How often the profile crosses its mean, small wiggles left out."""
    mean = sum(profile) / len(profile)
    sides = [value > mean for value in profile if abs(value - mean) > PLAIN_DEVIATION / 4]
    return sum(a != b for a, b in itertools.pairwise(sides))
