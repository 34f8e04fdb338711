"""Cutting: the right piece, upright, from every kind of picture, and no bomb or broken file gets through."""

from __future__ import annotations

import io
import struct
import time
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from web.gateway import cutting, scans
from web.gateway.crop_urls import Crop
from web.gateway.photo_faults import PhotoUnusable

MAX_PIXELS = 2_000_000  # a tenth of the default, so that pictures at the limit are made quickly
RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 160, 0), (0, 0, 200), (255, 255, 255)


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        cutting.prepare(MAX_PIXELS)
        yield
    Image.MAX_IMAGE_PIXELS = before


def flag(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red at the upper left, green at the upper right, blue below."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cut(photo: bytes, *box: int, size: tuple[int, int] | None = None) -> Image.Image:
    (jpeg,) = cutting.cut(photo, [Crop("u", (box[0], box[1], box[2], box[3]), size)], max_pixels=MAX_PIXELS)
    assert jpeg is not None
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def color(image: Image.Image, across: float, down: float) -> tuple[int, int, int]:
    """The nearest of the flag's colours at a place from 0 to 1."""
    pixel = image.convert("RGB").getpixel((int(across * (image.width - 1)), int(down * (image.height - 1))))
    assert isinstance(pixel, tuple)
    return min(
        (RED, GREEN, BLUE, WHITE), key=lambda one: sum((a - b) ** 2 for a, b in zip(one, pixel, strict=False))
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_piece_in_the_box(kind: str) -> None:
    piece = cut(encoded(flag(), kind), 100, 50, 250, 150)
    assert piece.width / piece.height == pytest.approx(1.5, rel=0.02)
    assert [color(piece, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == [RED, GREEN, BLUE]


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "CMYK", "LA"])
def test_every_mode_becomes_a_jpeg(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    assert cut(encoded(flag(mode=mode), kind), 0, 0, 300, 200).mode == "RGB"


def test_what_was_transparent_becomes_white() -> None:
    image = flag(mode="RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 150, 100))
    assert color(cut(encoded(image), 0, 0, 300, 200), 0.2, 0.2) == WHITE


def test_the_box_is_clamped_to_the_photo() -> None:
    piece = cut(encoded(flag()), -50, -50, 10_000, 100)
    assert piece.width / piece.height == pytest.approx(3.0, rel=0.02)


def test_a_box_outside_is_none_and_spoils_no_other() -> None:
    crops = [Crop("u", (300, 0, 400, 50)), Crop("u", (0, 0, 10, 10))]
    outside, inside = cutting.cut(encoded(flag()), crops, max_pixels=MAX_PIXELS)
    assert outside is None
    assert inside is not None


def test_large_crops_are_shrunk_and_small_ones_enlarged() -> None:
    large = cut(encoded(flag(3000, 2000), "JPEG"), 0, 0, 3000, 2000)
    assert min(large.size) == cutting.SHORT_SIDE
    assert [color(large, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == [RED, GREEN, BLUE]
    assert max(cut(encoded(flag()), 0, 0, 30, 20).size) == cutting.LEAST_LONG_SIDE
    assert max(cut(encoded(flag(5000, 100)), 0, 0, 5000, 100).size) == cutting.LONG_SIDE


def test_a_box_of_a_picture_of_another_size_is_scaled() -> None:
    piece = cut(encoded(flag(600, 400)), 0, 0, 150, 100, size=(300, 200))
    assert [color(piece, *at) for at in ((0.1, 0.1), (0.9, 0.9))] == [RED, RED]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("told", ["as stored", "as shown", "nothing"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(kind: str, orientation: int, told: str) -> None:
    """Whichever of both pictures the box is of, the crop shows the garment upright."""
    shown = flag()
    stored = shown if orientation == 1 else shown.transpose(_INVERSE[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = encoded(stored, kind, exif=exif, quality=95)
    swaps = stored.size != shown.size
    if told == "as shown" and swaps:
        piece = cut(photo, 0, 0, 150, 100, size=shown.size)
    else:
        box = _red(stored)
        piece = cut(photo, *box, size=stored.size if told == "as stored" else None)
    assert piece.width > piece.height
    assert {color(piece, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))} == {RED}


_INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _red(image: Image.Image) -> tuple[int, int, int, int]:
    mask = image.convert("RGB").getchannel("R").point(lambda value: 255 if value > 128 else 0)
    box = mask.getbbox()
    assert box is not None
    return box


PHOTO = encoded(flag(), "JPEG")


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose head promises so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(1415, 1415), (20_000, 20_000), (65_535, 65_535)])
def test_a_bomb_is_refused_by_its_head(size: tuple[int, int]) -> None:
    with pytest.raises(PhotoUnusable) as caught:
        cutting.cut(bomb(*size), [Crop("u", (0, 0, 1, 1))], max_pixels=MAX_PIXELS)
    assert caught.value.cause == "too_many_pixels"


def refused(photo: bytes) -> str:
    """The cause for which a photo is not cut."""
    with pytest.raises(PhotoUnusable) as caught:
        cutting.cut(photo, [Crop("u", (0, 0, 9, 9))], max_pixels=MAX_PIXELS)
    return caught.value.cause


def test_a_jpeg_in_one_go_may_have_four_times_the_pixels() -> None:
    image = flag(2000, 1500)
    photo = encoded(image, "JPEG")
    piece = cut(photo, 0, 0, 2000, 1500)
    assert [color(piece, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == [RED, GREEN, BLUE]
    small = cut(photo, 900, 700, 1100, 800)
    assert [color(small, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == [RED, GREEN, BLUE]
    assert refused(encoded(image, "JPEG", progressive=True)) == "too_many_pixels"
    assert refused(encoded(flag(3000, 3000), "JPEG")) == "too_many_pixels"


def test_a_photo_with_another_behind_it_is_one_photo() -> None:
    photo = encoded(flag(2000, 1500), "MPO", save_all=True, append_images=[flag()])
    piece = cut(photo, 0, 0, 2000, 1500)
    assert [color(piece, *at) for at in ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))] == [RED, GREEN, BLUE]


def progressive(times: int, before: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan comes so many times more, each with `before` in front."""
    photo = encoded(flag(), "JPEG", progressive=True)
    last, end = photo.rindex(b"\xff\xda"), photo.rindex(b"\xff\xd9")
    return photo[:end] + (before + photo[last:end]) * times + photo[end:]


_END_IN_A_COMMENT = b"\xff\xfe\x00\x04\xff\xd9"


@pytest.mark.parametrize("before", [b"", _END_IN_A_COMMENT])
def test_scans_without_end_are_refused_before_they_are_decoded(before: bytes) -> None:
    assert cutting.cut(progressive(20, before), [Crop("u", (0, 0, 9, 9))], max_pixels=MAX_PIXELS)[0]
    assert refused(progressive(100, before)) == "too_many_scans"


def test_segments_without_end_are_refused() -> None:
    assert refused(PHOTO[:2] + b"\xff\xfe\x00\x02" * 5000 + PHOTO[2:]) == "too_many_scans"


def test_restarts_without_end_take_no_time() -> None:
    started = time.process_time()
    assert scans.of(PHOTO[:2] + b"\xff\xd0" * 5_000_000).count == 0
    assert time.process_time() - started < 2


def test_scans_of_pictures_inside_and_behind_are_not_counted() -> None:
    hidden = b"\xff\xda" * 200
    comment = b"\xff\xfe" + (len(hidden) + 2).to_bytes(2) + hidden
    assert cut(PHOTO[:2] + comment + PHOTO[2:] + hidden, 0, 0, 9, 9)


@pytest.mark.parametrize(
    "photo",
    [
        b"",
        b"<html>not found</html>",
        PHOTO[: len(PHOTO) // 2],
        encoded(flag())[:200],
        encoded(flag(), "PPM"),
        encoded(flag(), "ICO"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        bomb(100, 100),
    ],
)
def test_what_is_no_picture_of_a_listed_format(photo: bytes) -> None:
    with pytest.raises(PhotoUnusable) as caught:
        cutting.cut(photo, [Crop("u", (0, 0, 9, 9))], max_pixels=MAX_PIXELS)
    assert caught.value.cause == "not_a_picture"


def test_a_broken_orientation_is_none() -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    assert cut(encoded(flag(), "JPEG", exif=exif), 0, 0, 9, 9, size=(200, 300))
