"""Garments that are worn on the body, seen from the front."""

from __future__ import annotations

from ops.local.drawing.outlines import AXIS, Part, both, buttons, disc, folds, mirrored, seam, stitches


def summer_dress() -> list[Part]:
    """Sleeveless, with a belt and a wide skirt."""
    top = mirrored(
        [(0, 74), (14, 66), (20, 42)],
        [(20, 42), (31, 42)],
        [(31, 42), (31, 72), (40, 90)],
        [(40, 90), (31, 138)],
    )
    skirt = mirrored([(31, 136), (52, 190), (84, 276)], [(84, 276), (44, 287), (0, 289)])
    belt = mirrored([(31, 132), (32, 145)])
    lines = folds([(-20, -52), (-8, -20), (8, 20), (20, 52)], 150, 280)
    return [Part(skirt), *lines, Part(top), Part(belt, "trim"), disc(AXIS, 138.5, 5, "light")]


def shift_dress() -> list[Part]:
    """Short sleeves, straight and to the knee."""
    body = mirrored(
        [(0, 66), (16, 60), (22, 44)],
        [(22, 44), (44, 52)],
        [(44, 52), (43, 92), (40, 140), (48, 200), (52, 256)],
        [(52, 256), (0, 260)],
    )
    sleeves = both([(40, 50), (60, 62), (72, 98)], [(72, 98), (50, 106)], [(50, 106), (42, 84)])
    collar = mirrored([(0, 66), (16, 60), (22, 44)], [(22, 44), (27, 46), (20, 66), (0, 73)])
    return [*sleeves, Part(body), Part(collar, "trim"), *folds([(-30, -34), (30, 34)], 160, 250)]


def evening_gown() -> list[Part]:
    """Strapless, tight to the hip and wide at the floor."""
    body = mirrored(
        [(0, 66), (18, 56), (34, 66)],
        [(34, 66), (38, 92), (29, 130), (42, 172), (44, 212), (70, 300)],
        [(70, 300), (36, 308), (0, 308)],
    )
    sash = mirrored([(30, 122), (31, 140)])
    lines = folds([(-24, -46), (-8, -14), (8, 14), (24, 46)], 214, 300)
    return [Part(body), *lines, Part(sash, "trim"), seam((AXIS, 66), (AXIS, 122), width=0.8)]


def _sleeved_body(hem: float, waist: float) -> list[Part]:
    return [
        Part(
            mirrored(
                [(0, 70), (14, 64), (20, 50)],
                [(20, 50), (56, 62)],
                [(56, 62), (52, 110), (waist, 170), (54, hem)],
                [(54, hem), (26, hem + 5), (0, hem + 5)],
            )
        )
    ]


def _long_sleeves(cuff: float) -> list[Part]:
    sleeves = both(
        [(48, 58), (66, 72), (80, 130), (90, cuff)],
        [(90, cuff), (71, cuff + 4)],
        [(71, cuff + 4), (58, 150), (48, 100)],
    )
    cuffs = both(
        [(88.5, cuff - 12), (90, cuff)],
        [(90, cuff), (71, cuff + 4)],
        [(71, cuff + 4), (69, cuff - 8)],
        paint="trim",
    )
    return [*sleeves, *cuffs]


def shirt() -> list[Part]:
    """Long sleeves, collar, buttons, a pocket."""
    collar = both(
        [(0, 70), (20, 48)], [(20, 48), (27, 54)], [(27, 54), (17, 82)], [(17, 82), (0, 70)], paint="trim"
    )
    pocket = [
        (AXIS + 14, 104),
        (AXIS + 38, 104),
        (AXIS + 38, 128),
        (AXIS + 26, 135),
        (AXIS + 14, 128),
        (AXIS + 14, 104),
    ]
    front = [Part([(AXIS, 70), (AXIS, 254)], "line", 1.0), *buttons(86, 238, 6)]
    return [*_long_sleeves(224), *_sleeved_body(250, 49), *collar, *front, Part(pocket, "line", 1.0)]


def t_shirt() -> list[Part]:
    """Short sleeves and a round neck."""
    sleeves = both([(48, 56), (74, 72), (94, 116)], [(94, 116), (66, 128)], [(66, 128), (50, 96)])
    neck = mirrored([(0, 70), (14, 64), (20, 50)], [(20, 50), (26, 52), (18, 70), (0, 77)])
    return [*sleeves, *_sleeved_body(238, 53), Part(neck, "trim")]


def sweater() -> list[Part]:
    """Long sleeves, ribbed neck and hem."""
    neck = mirrored([(0, 68), (16, 62), (20, 44)], [(20, 44), (28, 50), (20, 72), (0, 80)])
    hem = mirrored([(52, 226), (54, 246)], [(54, 246), (26, 250), (0, 250)])
    ribs = folds([(x, x) for x in range(-48, 49, 8)], 230, 248)
    return [*_long_sleeves(222), *_sleeved_body(240, 53), Part(hem, "trim"), *ribs, Part(neck, "trim")]


def jacket() -> list[Part]:
    """Long sleeves, lapels, two buttons, pockets; a shirt shows at the neck."""
    inner = Part(mirrored([(0, 60), (20, 50)], [(20, 50), (12, 90), (0, 138)]), "light")
    lapels = both(
        [(20, 48), (34, 72), (22, 88)], [(22, 88), (1, 142)], [(1, 142), (12, 88), (20, 48)], paint="trim"
    )
    pockets = [seam((AXIS + s * 18, 190), (AXIS + s * 42, 186), width=3) for s in (1, -1)]
    front = [Part([(AXIS, 140), (AXIS, 262)], "line", 1.2), disc(AXIS, 152, 3.4), disc(AXIS, 178, 3.4)]
    return [*_long_sleeves(228), *_sleeved_body(258, 46), inner, *lapels, *pockets, *front]


def coat() -> list[Part]:
    """Down to the knee, double-breasted, with a belt."""
    body = mirrored(
        [(0, 60), (14, 56), (20, 42)],
        [(20, 42), (54, 54)],
        [(54, 54), (50, 100), (44, 150), (56, 220), (64, 292)],
        [(64, 292), (30, 298), (0, 298)],
    )
    lapels = both(
        [(18, 40), (38, 66), (30, 82)], [(30, 82), (2, 128)], [(2, 128), (8, 70), (18, 40)], paint="trim"
    )
    belt = Part(mirrored([(45, 146), (46, 162)]), "trim")
    pairs = [disc(AXIS + s * 12, y, 3.6, "light") for y in (116, 134, 184, 206) for s in (1, -1)]
    return [*_long_sleeves(214), Part(body), *lapels, belt, *pairs, seam((AXIS, 164), (AXIS, 297))]


def trousers() -> list[Part]:
    """Straight legs with a crease."""
    leg = both(
        [(0, 44), (34, 44)],
        [(34, 44), (46, 110), (44, 200), (42, 298)],
        [(42, 298), (13, 300)],
        [(13, 300), (6, 190), (0, 122)],
    )
    band = Part(mirrored([(34, 36), (36, 50)]), "trim")
    creases = [
        seam((AXIS + s * 22, 70), (AXIS + s * 27, 180), (AXIS + s * 28, 296), width=0.8) for s in (1, -1)
    ]
    return [*leg, band, disc(AXIS, 43, 3, "light"), *creases, seam((AXIS, 50), (AXIS + 1, 120))]


def jeans() -> list[Part]:
    """Narrow legs, stitched pockets, turn-ups."""
    leg = both(
        [(0, 44), (36, 44)],
        [(36, 44), (48, 104), (38, 200), (33, 292)],
        [(33, 292), (11, 294)],
        [(11, 294), (8, 190), (0, 126)],
    )
    turn_ups = both(
        [(34, 278), (33.5, 294)], [(33.5, 294), (10.5, 296)], [(10.5, 296), (10, 280)], paint="light"
    )
    band = Part(mirrored([(35, 36), (37, 50)]), "trim")
    pockets = [
        p for s in (1, -1) for p in stitches([(AXIS + s * 14, 52), (AXIS + s * 22, 72), (AXIS + s * 42, 76)])
    ]
    fly = stitches([(AXIS, 50), (AXIS + 9, 84), (AXIS, 104)])
    return [*leg, *turn_ups, band, disc(AXIS, 43, 3, "light"), *pockets, *fly]


def shorts() -> list[Part]:
    """Wide, above the knee, with a cord."""
    leg = both(
        [(0, 84), (44, 84)], [(44, 84), (56, 150), (66, 212)], [(66, 212), (8, 222)], [(8, 222), (0, 160)]
    )
    band = Part(mirrored([(44, 74), (46, 92)]), "trim")
    cord = [seam((AXIS, 88), (AXIS + s * 9, 112), (AXIS + s * 7, 128), width=2) for s in (1, -1)]
    return [*leg, band, seam((AXIS, 92), (AXIS, 160)), *cord]


def flared_skirt() -> list[Part]:
    """Wide at the hem, with deep folds."""
    body = mirrored([(34, 84), (60, 160), (94, 244)], [(94, 244), (48, 258), (0, 260)])
    lines = folds([(-24, -66), (-13, -40), (-4, -13), (4, 13), (13, 40), (24, 66)], 98, 252)
    return [Part(body), *lines, Part(mirrored([(34, 74), (36, 92)]), "trim")]


def pencil_skirt() -> list[Part]:
    """Tight, with a slit."""
    body = mirrored([(36, 70), (54, 120), (52, 180), (40, 268)], [(40, 268), (0, 272)])
    slit = Part([(AXIS + 20, 226), (AXIS + 16, 273), (AXIS + 30, 272)], "shade")
    return [
        Part(body),
        slit,
        Part(mirrored([(35, 62), (38, 78)]), "trim"),
        *folds([(-18, -22), (18, 20)], 80, 116),
    ]
