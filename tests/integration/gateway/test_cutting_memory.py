"""Cutting takes a bounded number of bytes a pixel, seen from outside in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.gateway.test_cutting import BLUE, encoded

ROOT = Path(__file__).parents[3]
SIDE = 3000
MOST_BYTES = 18  # a pixel, with something for what a process holds anyway
TURNED = Image.Exif()
TURNED[0x0112] = 6
LARGE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "transparent": ("PNG", "RGBA", {}),
    "one colour transparent": ("PNG", "RGB", {"transparency": (1, 2, 3)}),
    "palette": ("GIF", "P", {}),
    "webp": ("WEBP", "RGBA", {}),
    "turned by Pillow": ("TIFF", "CMYK", {"exif": TURNED, "compression": "tiff_lzw"}),
    "progressive": ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    "turned": ("JPEG", "RGB", {"exif": TURNED}),
}


@pytest.mark.parametrize("name", LARGE)
def test_memory_is_bounded_by_the_pixels(name: str) -> None:
    kind, mode, options = LARGE[name]
    photo = encoded(Image.new("RGB", (SIDE, SIDE), BLUE).convert(mode), kind, **options)
    assert memory(photo, SIDE, SIDE**2) < MOST_BYTES * SIDE**2


def test_four_times_the_pixels_take_no_more_memory() -> None:
    photo = encoded(Image.new("RGB", (2 * SIDE, 2 * SIDE), BLUE), "JPEG", exif=TURNED)
    assert memory(photo, 2 * SIDE, SIDE**2) < MOST_BYTES * SIDE**2


def memory(photo: bytes, side: int, max_pixels: int) -> int:
    """The most bytes that another process holds while it cuts a photo, over what it held before."""
    command = [
        sys.executable,
        "-m",
        "tests.integration.gateway.cutting_memory",
        str(side),
        str(side),
        str(max_pixels),
    ]
    done = subprocess.run(command, input=photo, capture_output=True, cwd=ROOT, timeout=60, check=True)
    return int(done.stdout)
