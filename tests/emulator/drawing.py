"""Small pictures drawn for the tests, and the way to their bytes."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

GREY = (200, 200, 200)


def garment(colour: str, box: tuple[int, int, int, int] = (20, 15, 60, 85)) -> Image.Image:
    """A coloured block on grey, 80 x 100 pixels."""
    image = Image.new("RGB", (80, 100), GREY)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    return image


def blank() -> Image.Image:
    """Nothing but grey."""
    return Image.new("RGB", (80, 100), GREY)


def as_bytes(image: Image.Image, file_format: str = "PNG") -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()
