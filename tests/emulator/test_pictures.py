"""Which bytes are a picture."""

from __future__ import annotations

import base64

import pytest

from ops.emulator import pictures
from tests.emulator.drawing import as_bytes, garment


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_decode_reads_what_ximilar_takes(file_format: str) -> None:
    image = pictures.decode(as_bytes(garment("red"), file_format))
    assert (image.mode, image.size) == ("RGB", (80, 100))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        as_bytes(garment("red"), "JPEG")[:400],
        as_bytes(garment("red"), "PNG")[:150],
        as_bytes(garment("red"), "PPM"),
    ],
    ids=["empty", "html", "half a JPEG", "half a PNG", "a format Ximilar does not take"],
)
def test_decode_refuses_the_rest(data: bytes) -> None:
    with pytest.raises(pictures.PictureError, match="cannot be decoded"):
        pictures.decode(data)
    with pytest.raises(pictures.PictureError, match="cannot be decoded"):
        pictures.decode(data, at_least=48)


def test_from_base64_takes_bare_text_and_data_urls() -> None:
    text = base64.b64encode(b"bytes").decode()
    assert pictures.from_base64(text) == pictures.from_base64(f"data:image/jpeg;base64,{text}") == b"bytes"
    with pytest.raises(pictures.PictureError):
        pictures.from_base64("no base64!")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "1.jpg", "http://[/a.jpg", ""])
def test_fetch_refuses_what_is_no_http_address(url: str) -> None:
    with pytest.raises(pictures.PictureError):
        pictures.Downloader(connections=1).fetch(url)
