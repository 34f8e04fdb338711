"""Cuts the photo on standard input, all of it, and prints how many bytes more this process held meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path

from web.gateway import cutting
from web.gateway.crop_urls import Crop


def held() -> int:
    """The most bytes of memory since it was last reset (proc(5), VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Cut once, in pixels of a picture of the size and with the limit that the arguments name."""
    width, height, max_pixels = map(int, sys.argv[1:])
    photo = sys.stdin.buffer.read()
    cutting.prepare(max_pixels)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held()
    (piece,) = cutting.cut(photo, [Crop("u", (0, 0, width, height), (width, height))], max_pixels=max_pixels)
    assert piece is not None
    print(held() - before)


if __name__ == "__main__":
    main()
