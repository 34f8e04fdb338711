"""Cuts garments out of a photo, with Pillow. Pure functions over bytes; the photo is a stranger's.

A decoder is handed only a format that is listed here, and only a picture whose head admits to few enough
pixels; what it raises is no bug of ours. Cutting takes up to 17 bytes of memory a pixel that is decoded, whatever
the format (WebP, and what has transparent colours, take most).
"""

from __future__ import annotations

import dataclasses
import io
import math
import warnings
from collections.abc import Sequence

from PIL import ExifTags, Image, JpegImagePlugin

from . import scans
from .crop_urls import Crop
from .photo_faults import PhotoUnusable

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # what Ximilar takes and Pillow reads
QUALITY = 90
# What Ximilar's own client does to pictures: larger ones are shrunk to a short side of 600 pixels. Its own
# application enlarges crops to 500, since tiny ones match worse.
SHORT_SIDE = 600
LONG_SIDE = 2400
LEAST_LONG_SIDE = 500

_JPEG = b"\xff\xd8"
_FIRST_TURNED = 5  # of the eight orientations of EXIF, those from here on swap width and height
_MIRRORED_ACROSS = (2, 3, 7, 8)  # those where left and right of what is stored change places
_MIRRORED_DOWN = (3, 4, 6, 7)
_BACK = {6: 8, 8: 6}  # the orientations that another undoes; each other one undoes itself
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_IN_ONE_GO = 4  # times the pixels, for a JPEG that can be decoded at half its size or less
_SCALES = (1, 2, 4, 8)  # by which a JPEG can be shrunk while it is decoded
_SMOOTH = ("L", "RGB", "YCbCr", "CMYK", "LA", "RGBA")  # modes that can be resized as they are

_Size = tuple[int, int]


def prepare(max_pixels: int) -> None:
    """Make Pillow itself refuse more pixels, in this whole process: some formats hide them behind the head."""
    Image.init()  # or the first photo would wait for Pillow's decoders to be imported
    Image.MAX_IMAGE_PIXELS = max_pixels * _IN_ONE_GO
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def cut(photo: bytes, crops: Sequence[Crop], *, max_pixels: int) -> list[bytes | None]:
    """Return each crop as a JPEG, upright, or None where its box lies outside the photo.

    A JPEG that is coded in one go may have four times `max_pixels`: it is made smaller while it is decoded.
    Raises PhotoUnusable.
    """
    try:
        with _opened(photo, max_pixels) as image:
            return _cut(image, crops, max_pixels)
    except PhotoUnusable:
        raise
    except scans.TooMany as error:
        raise PhotoUnusable("too_many_scans") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoUnusable("too_many_pixels") from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
        raise PhotoUnusable("not_a_picture") from error


def _opened(photo: bytes, max_pixels: int) -> Image.Image:
    found = (
        scans.of(photo) if photo.startswith(_JPEG) else None
    )  # before Pillow reads all that is in the head
    image = Image.open(io.BytesIO(photo), formats=FORMATS)
    if found and isinstance(image, JpegImagePlugin.JpegImageFile) and found.in_one_go(image.layers):
        max_pixels *= _IN_ONE_GO
    if image.width * image.height > max_pixels:
        raise PhotoUnusable("too_many_pixels")
    return image


def _cut(image: Image.Image, crops: Sequence[Crop], max_pixels: int) -> list[bytes | None]:
    told = image.getexif().get(ExifTags.Base.Orientation)
    orientation: int = told if told in _UPRIGHT else 1
    # Pillow turns a TIFF itself while it decodes it, and tells the size of what comes out.
    upright = image.format == "TIFF"
    stored = image.size[::-1] if upright and orientation >= _FIRST_TURNED else image.size
    sized = [dataclasses.replace(crop, size=crop.size or stored) for crop in crops]
    if upright:
        back: int = _BACK.get(orientation, orientation)
        placed = [crop if _is_shown(crop, stored, orientation) else _turned(crop, back) for crop in sized]
        return [_piece(image, crop, 1) for crop in placed]
    placed = [_turned(crop, orientation) if _is_shown(crop, stored, orientation) else crop for crop in sized]
    # The class and not the format: a phone's photo with a second picture behind it is of the format MPO.
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        _shrink(image, placed, max_pixels)
    return [_piece(image, crop, orientation) for crop in placed]


def _is_shown(crop: Crop, stored: _Size, orientation: int) -> bool:
    """Whether the box is of the picture as it is shown, and not as it is stored.

    Ximilar does not say which it looks at; the size it tells does, unless both have the same shape.
    """
    width, height = crop.size or stored
    return orientation >= _FIRST_TURNED and (width - height) * (stored[0] - stored[1]) < 0


def _turned(crop: Crop, orientation: int) -> Crop:
    """Return a box of the picture as it is shown as one of the picture as it is stored with this orientation."""
    width, height = crop.size or (0, 0)
    left, top, right, bottom = crop.box
    if orientation >= _FIRST_TURNED:
        width, height, left, top, right, bottom = height, width, top, left, bottom, right
    if orientation in _MIRRORED_ACROSS:
        left, right = width - right, width - left
    if orientation in _MIRRORED_DOWN:
        top, bottom = height - bottom, height - top
    return Crop(crop.url, (left, top, right, bottom), (width, height))


def _shrink(image: JpegImagePlugin.JpegImageFile, crops: Sequence[Crop], max_pixels: int) -> None:
    """Have a JPEG decoded no larger than its crops need, and than `max_pixels`: faster, and in less memory."""
    width, height = image.size
    enough = max((SHORT_SIDE / max(_share(crop, image.size), SHORT_SIDE) for crop in crops), default=1.0)
    allowed = next((scale for scale in _SCALES if width * height <= max_pixels * scale**2), _SCALES[-1])
    scale = max(allowed, *(scale for scale in _SCALES if scale * enough <= 1))
    image.draft(None, (max(1, width // scale), max(1, height // scale)))


def _share(crop: Crop, size: _Size) -> float:
    """The short side of a crop, in pixels of the photo."""
    left, top, right, bottom = crop.box
    told = crop.size or size
    return min(right - left, bottom - top) * min(size) / min(told)


def _piece(image: Image.Image, crop: Crop, orientation: int) -> bytes | None:
    """Cut a box in pixels of the photo, or of what the crop says, out of `image`, which may be smaller."""
    box = _box(image, crop)
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    # Small first, then opaque and upright: each of these is a copy.
    piece = _opaque(_fitted(image, box))
    return _encoded(piece.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else piece)


def _box(image: Image.Image, crop: Crop) -> tuple[int, int, int, int]:
    width, height = crop.size or image.size
    across, down = image.width / width, image.height / height
    left, top, right, bottom = crop.box
    return (
        max(0, math.floor(left * across)),
        max(0, math.floor(top * down)),
        min(image.width, math.ceil(right * across)),
        min(image.height, math.ceil(bottom * down)),
    )


def _fitted(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    size = _fitting(box[2] - box[0], box[3] - box[1])
    if image.mode in _SMOOTH and "transparency" not in image.info:
        return image.resize(size, Image.Resampling.LANCZOS, box)
    piece = image.crop(box)
    return piece.convert("RGBA" if piece.has_transparency_data else "RGB").resize(
        size, Image.Resampling.LANCZOS
    )


def _fitting(width: int, height: int) -> _Size:
    short, long = sorted((width, height))
    scale = min(SHORT_SIDE / short, LONG_SIDE / long, 1.0)
    if long < LEAST_LONG_SIDE:
        scale = LEAST_LONG_SIDE / long
    return max(1, round(width * scale)), max(1, round(height * scale))


def _opaque(piece: Image.Image) -> Image.Image:
    """On white, where it was transparent: shops cut out their products."""
    if not piece.has_transparency_data:
        return piece.convert("RGB")
    above = piece.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")


def _encoded(piece: Image.Image) -> bytes:
    buffer = io.BytesIO()
    piece.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
