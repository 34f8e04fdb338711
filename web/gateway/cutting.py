"""Cuts garments out of a photo, with Pillow. Pure functions over bytes; the photo is a stranger's.

A decoder is handed only a format that is listed here, and only a picture whose head admits to few enough
pixels; what it raises is no bug of ours.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence

from PIL import ExifTags, Image

from .crop_urls import Crop
from .photo_faults import PhotoUnusable

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # what Ximilar takes and Pillow reads
QUALITY = 90
# What Ximilar's own client does to pictures: larger ones are shrunk to a short side of 600 pixels. Its own
# application enlarges crops to 500, since tiny ones match worse.
SHORT_SIDE = 600
LONG_SIDE = 2400
LEAST_LONG_SIDE = 500

_FIRST_TURNED = 5  # of the eight orientations of EXIF, those from here on swap width and height
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def prepare(max_pixels: int) -> None:
    """Make Pillow itself refuse more pixels, in this whole process: some formats hide them behind the head."""
    Image.init()  # or the first photo would wait for Pillow's decoders to be imported
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def cut(photo: bytes, crops: Sequence[Crop], *, max_pixels: int) -> list[bytes | None]:
    """Return each crop as a JPEG, upright, or None where its box lies outside the photo.

    Raises PhotoUnusable.
    """
    try:
        with _opened(photo, max_pixels) as image:
            return _cut(image, crops)
    except PhotoUnusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoUnusable("too_many_pixels") from error
    except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
        raise PhotoUnusable("not_a_picture") from error


def _opened(photo: bytes, max_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(photo), formats=FORMATS)
    if image.width * image.height > max_pixels:
        raise PhotoUnusable("too_many_pixels")
    return image


def _cut(image: Image.Image, crops: Sequence[Crop]) -> list[bytes | None]:
    width, height = image.size
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if image.format == "JPEG":
        image.draft(None, _enough(image.size, crops))  # several times faster, and in as little memory
    turned = image
    if any(_is_turned(crop, orientation, width, height) for crop in crops):
        turned = image.transpose(_UPRIGHT[orientation])
    found = []
    for crop in crops:
        if _is_turned(crop, orientation, width, height):
            found.append(_piece(turned, crop, (height, width), 1))
        else:
            found.append(_piece(image, crop, (width, height), orientation))
    return found


def _is_turned(crop: Crop, orientation: int, width: int, height: int) -> bool:
    """Whether the box is of the picture as it is shown, and not as it is stored.

    Ximilar does not say which it looks at; the size it tells does, unless both have the same shape.
    """
    if crop.size is None or not _FIRST_TURNED <= orientation <= len(_UPRIGHT) + 1:
        return False
    return (crop.size[0] - crop.size[1]) * (width - height) < 0


def _enough(size: tuple[int, int], crops: Sequence[Crop]) -> tuple[int, int]:
    """The size at which the photo is large enough for each crop."""
    shares = [_share(crop, size) for crop in crops]
    scale = min(1.0, max((SHORT_SIDE / side if side > SHORT_SIDE else 1.0 for side in shares), default=1.0))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def _share(crop: Crop, size: tuple[int, int]) -> float:
    """The short side of a crop, in pixels of the photo."""
    left, top, right, bottom = crop.box
    told = crop.size or size
    return min(right - left, bottom - top) * min(size) / min(told)


def _piece(image: Image.Image, crop: Crop, size: tuple[int, int], orientation: int) -> bytes | None:
    """Cut a box in pixels of a picture of `size`, or of what the crop says, out of `image`, which may be smaller."""
    width, height = crop.size or size
    across, down = image.width / width, image.height / height
    left, top, right, bottom = crop.box
    box = (
        max(0, math.floor(left * across)),
        max(0, math.floor(top * down)),
        min(image.width, math.ceil(right * across)),
        min(image.height, math.ceil(bottom * down)),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    piece = _fitted(_opaque(image.crop(box)))
    return _encoded(piece.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else piece)


def _opaque(piece: Image.Image) -> Image.Image:
    """On white, where it was transparent: shops cut out their products."""
    if not piece.has_transparency_data:
        return piece.convert("RGB")
    above = piece.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")


def _fitted(piece: Image.Image) -> Image.Image:
    short, long = sorted(piece.size)
    scale = min(SHORT_SIDE / short, LONG_SIDE / long, 1.0)
    if long < LEAST_LONG_SIDE:
        scale = LEAST_LONG_SIDE / long
    if scale == 1.0:
        return piece
    size = (max(1, round(piece.width * scale)), max(1, round(piece.height * scale)))
    return piece.resize(size, Image.Resampling.LANCZOS)


def _encoded(piece: Image.Image) -> bytes:
    buffer = io.BytesIO()
    piece.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
