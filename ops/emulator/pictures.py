"""From an address to pixels: the download and the decoding, refusing what Ximilar refuses."""

from __future__ import annotations

import base64
import binascii
import io
import time

import urllib3
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""What Ximilar takes and Pillow reads without a plug-in (HEIC it does not)."""
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
DOWNLOAD_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024


class PictureError(Exception):
    """The picture cannot be had or read; the text is the reason Ximilar would give."""


class Downloader:
    """Fetches photos over one pool of connections; thread-safe."""

    def __init__(self, *, connections: int) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=32,
            maxsize=connections,
            timeout=urllib3.Timeout(connect=DOWNLOAD_SECONDS, read=DOWNLOAD_SECONDS),
            # One more try when a kept connection turns out closed; nothing else is repeated.
            retries=urllib3.Retry(total=1, connect=0, redirect=0, status=0, other=0),
            headers={"User-Agent": "ximilar-emulator", "Accept-Encoding": "identity"},
        )

    def fetch(self, url: str) -> bytes:
        """The bytes behind `url`, at most MAX_BYTES within DOWNLOAD_SECONDS. Raises PictureError."""
        if not url.startswith(("http://", "https://")):
            raise PictureError("image cannot be downloaded: not an http address")
        deadline = time.monotonic() + DOWNLOAD_SECONDS
        try:
            response = self._pool.request("GET", url, preload_content=False, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise PictureError(f"image cannot be downloaded: {type(error).__name__}") from error
        try:
            return _read(response, deadline)
        finally:
            response.close() if response.length_remaining else response.release_conn()


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body. Raises PictureError for any status but 200: a redirect is not followed."""
    if response.status != 200:
        raise PictureError(f"image cannot be downloaded: HTTP {response.status}")
    body = bytearray()
    try:
        # read1 returns what has arrived: a server that trickles meets the deadline, not one time-out a byte.
        while chunk := response.read1(CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_BYTES:
                raise PictureError("image cannot be downloaded: larger than 20 MB")
            if time.monotonic() > deadline:
                raise PictureError("image cannot be downloaded: too slow")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise PictureError(f"image cannot be downloaded: {type(error).__name__}") from error
    return bytes(body)


def from_base64(text: str) -> bytes:
    """The bytes in `text`, bare or as a data URL: the official client sends both. Raises PictureError."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("image cannot be decoded: not base64") from error


def decode(data: bytes, *, at_least: int | None = None) -> Image.Image:
    """The picture in `data` as RGB, first frame. Raises PictureError.

    With `at_least`, a JPEG may come smaller, but no side under so many pixels: several times faster.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise PictureError("image cannot be decoded: too many pixels")
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        return image.convert("RGB")
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
        raise PictureError("image cannot be decoded") from error


def encode(image: Image.Image) -> bytes:
    """`image` as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
