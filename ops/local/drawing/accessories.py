"""Hats, shoes and bags."""

from __future__ import annotations

from ops.local.drawing.outlines import AXIS, Part, Point, closed, disc, folds, mirrored, seam, stitches


def brimmed_hat() -> list[Part]:
    """A wide brim and a ribbon."""
    brim = mirrored([(0, 168), (64, 172), (104, 192)], [(104, 192), (60, 214), (0, 218)])
    crown = mirrored([(0, 108), (28, 100), (46, 116), (56, 186)], [(56, 186), (28, 194), (0, 195)])
    ribbon = mirrored(
        [(0, 173), (28, 171), (52, 164)], [(52, 164), (56, 186)], [(56, 186), (28, 194), (0, 195)]
    )
    return [
        Part(brim),
        Part(crown),
        Part(ribbon, "trim"),
        seam((AXIS - 20, 108), (AXIS, 122), (AXIS + 20, 108)),
    ]


def beanie() -> list[Part]:
    """Knitted, with a fold and a pompon."""
    body = mirrored([(0, 92), (40, 102), (66, 150), (70, 206)], [(70, 206), (0, 212)])
    fold = mirrored(
        [(0, 190), (36, 189), (72, 182)], [(72, 182), (74, 224)], [(74, 224), (36, 232), (0, 233)]
    )
    ribs = folds([(x, x * 1.04) for x in range(-66, 67, 12)], 190, 230)
    return [disc(AXIS, 82, 21, "light"), Part(body), Part(fold, "trim"), *ribs]


def cap() -> list[Part]:
    """A peak to the left."""
    crown = closed(
        [(74, 196), (84, 132), (136, 106), (186, 136), (196, 200)], [(196, 200), (136, 208), (74, 196)]
    )
    peak = closed(
        [(80, 184), (36, 194), (16, 218)], [(16, 218), (60, 222), (124, 208)], [(124, 208), (80, 184)]
    )
    lines = [seam((136, 107), (118, 150), (114, 204)), seam((136, 107), (160, 150), (166, 204))]
    return [Part(crown), *lines, Part(peak, "trim"), disc(136, 107, 5)]


def scarf() -> list[Part]:
    """Folded once, with fringes."""
    long = closed(
        [(96, 60), (136, 56)],
        [(136, 56), (142, 160), (132, 270)],
        [(132, 270), (92, 266)],
        [(92, 266), (102, 160), (96, 60)],
    )
    short = closed(
        [(112, 52), (150, 60)],
        [(150, 60), (168, 130), (172, 206)],
        [(172, 206), (132, 212)],
        [(132, 212), (126, 130), (112, 52)],
    )
    knot = closed([(92, 62), (120, 42), (152, 62), (146, 92), (120, 100), (98, 90), (92, 62)])
    fringes = [seam((95 + i * 7, 266), (94 + i * 7, 284), width=1.6) for i in range(6)]
    return [*fringes, Part(long), Part(short), Part(knot, "trim")]


def sneaker() -> list[Part]:
    """Laces and a pale sole."""
    upper = closed(
        [(44, 128), (84, 132), (94, 122)],
        [(94, 122), (130, 164), (186, 180), (210, 206)],
        [(210, 206), (40, 208)],
        [(40, 208), (36, 160), (44, 128)],
    )
    sole = closed(
        [(36, 204), (120, 206), (212, 202)],
        [(212, 202), (216, 222)],
        [(216, 222), (120, 228), (36, 224)],
        [(36, 224), (36, 204)],
    )
    toe = closed([(176, 178), (204, 190), (212, 206)], [(212, 206), (164, 207)], [(164, 207), (176, 178)])
    laces = [Part([(104 + i * 14, 140 + i * 11), (92 + i * 14, 154 + i * 10)], "line", 3.5) for i in range(4)]
    swoosh = stitches([(52, 190), (92, 184), (128, 168)], 1.6)
    return [Part(upper), Part(toe, "trim"), Part(sole, "light"), *laces, *swoosh]


def pump() -> list[Part]:
    """A high heel."""
    shoe = closed(
        [(36, 112), (60, 150), (106, 184), (148, 176)],
        [(148, 176), (186, 190), (222, 218)],
        [(222, 218), (180, 224), (128, 214)],
        [(128, 214), (86, 206), (58, 176)],
        [(58, 176), (48, 200), (46, 226)],
        [(46, 226), (38, 226)],
        [(38, 226), (34, 170), (36, 112)],
    )
    inside = closed(
        [(36, 112), (60, 150), (106, 184), (148, 176)], [(148, 176), (104, 160), (70, 130), (36, 112)]
    )
    return [Part(inside, "shade"), Part(shoe), disc(156, 186, 7, "trim")]


def boot() -> list[Part]:
    """Ankle high, with an elastic at the side."""
    upper = closed(
        [(56, 70), (122, 72)],
        [(122, 72), (122, 140), (144, 178), (204, 206), (212, 234)],
        [(212, 234), (52, 236)],
        [(52, 236), (60, 160), (56, 70)],
    )
    gusset = closed(
        [(82, 78), (108, 79)], [(108, 79), (104, 130), (92, 162)], [(92, 162), (82, 120), (82, 78)]
    )
    sole = closed(
        [(50, 232), (214, 230)],
        [(214, 230), (214, 244)],
        [(214, 244), (110, 246)],
        [(110, 246), (96, 256)],
        [(96, 256), (50, 256)],
        [(50, 256), (50, 232)],
    )
    return [
        Part(upper),
        Part(gusset, "trim"),
        Part(sole, "shade"),
        seam((60, 84), (58, 62), (68, 60), width=3),
    ]


def _handle(half: float, top: float, bottom: float, width: float) -> Part:
    arch: list[Point] = [
        (AXIS - half, bottom),
        (AXIS - half * 0.8, top + 10),
        (AXIS, top),
        (AXIS + half * 0.8, top + 10),
    ]
    return seam(*arch, (AXIS + half, bottom), width=width)


def tote() -> list[Part]:
    """Two long handles and a patch."""
    body = mirrored([(66, 130), (74, 270)], [(74, 270), (40, 276), (0, 277)])
    patch = Part(mirrored([(22, 178), (22, 218)]), "trim")
    rim = stitches([(AXIS - 64, 140), (AXIS, 141), (AXIS + 64, 140)])
    return [_handle(34, 44, 134, 7), Part(body), patch, *rim]


def handbag() -> list[Part]:
    """A flap with a clasp."""
    body = mirrored([(58, 138), (78, 196), (80, 252)], [(80, 252), (40, 262), (0, 263)])
    flap = mirrored([(59, 136), (70, 174)], [(70, 174), (40, 208), (0, 214)])
    clasp = [disc(AXIS, 210, 9, "light"), disc(AXIS, 210, 3.5, "shade")]
    return [_handle(42, 76, 142, 8), Part(body), Part(flap, "trim"), *clasp]


def backpack() -> list[Part]:
    """A pocket in front and a zip."""
    body = mirrored([(0, 72), (44, 78), (66, 120), (72, 268)], [(72, 268), (40, 278), (0, 279)])
    pocket = mirrored([(46, 184), (50, 258)], [(50, 258), (26, 264), (0, 264)])
    zip_line = stitches(
        [(AXIS - 56, 140), (AXIS - 40, 104), (AXIS, 94), (AXIS + 40, 104), (AXIS + 56, 140)], 1.6
    )
    return [
        _handle(18, 48, 78, 6),
        Part(body),
        Part(pocket, "trim"),
        *zip_line,
        seam((AXIS - 46, 196), (AXIS + 46, 196)),
    ]
