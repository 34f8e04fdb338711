"""Addresses of crops, signed: whoever has one may see that piece of that photo until it expires, and no other.

An address is GATEWAY_PUBLIC_URL, /crops/, a token and .jpg. The token is base64url of the first 16 bytes of an
HMAC-SHA256 (RFC 2104, 5: at least half) and of what they sign: when it expires, box, size of the photo and its
address. All hosts that share GATEWAY_CROP_KEY take each other's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from procrastinate_app.ximilar.answers import Item

PATH = "/crops/"
SUFFIX = ".jpg"
MAX_LENGTH = 3500  # of a whole address; the longest photo's makes a token of 2,800 characters
GRAIN_SECONDS = 60  # addresses of the same crop made within it are equal, for caches on the way

_SIGNATURE_BYTES = 16
_Size = tuple[int, int]
_Box = tuple[int, int, int, int]


class NotSigned(ValueError):
    """No address of ours."""


class Expired(ValueError):
    """It was one of ours."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A piece of the photo at `url`: left, top, right, bottom in pixels of a picture of `size`, if that is known."""

    url: str
    box: _Box
    size: _Size | None = None

    @classmethod
    def of(cls, url: str, item: Item) -> Crop | None:
        """Return what `item` covers of the photo, or None where that is unknown or nothing."""
        if len(item.bbox) != 4:
            return None
        left, top, right, bottom = item.bbox
        box = (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
        return cls(url, box, item.size) if box[0] < box[2] and box[1] < box[3] else None


class CropUrls:
    """Signs with `key`; an address is good for `seconds`, or up to a minute longer."""

    def __init__(
        self, public_url: str, key: str, seconds: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.prefix = public_url + PATH
        self._key = key.encode()
        self._seconds = seconds
        self._clock = clock
        self._decoder = msgspec.msgpack.Decoder(tuple[int, _Box, _Size | None, str])

    def url_of(self, crop: Crop) -> str:
        """Return the address of a crop."""
        expires = math.ceil((self._clock() + self._seconds) / GRAIN_SECONDS) * GRAIN_SECONDS
        content = msgspec.msgpack.encode((expires, crop.box, crop.size, crop.url))
        token = base64.urlsafe_b64encode(self._signature(content) + content).rstrip(b"=").decode()
        return f"{self.prefix}{token}{SUFFIX}"

    def crop_at(self, url: str) -> tuple[Crop, float]:
        """Return what an address that begins with `prefix` names. Raises NotSigned, Expired."""
        return self.crop_named(url.removeprefix(self.prefix))

    def crop_named(self, name: str) -> tuple[Crop, float]:
        """Return the crop that the last part of an address names, and for how many seconds it still does.

        Raises NotSigned, Expired.
        """
        content = self._content(name)
        expires, box, size, url = self._decoder.decode(content)
        left = expires - self._clock()
        if left <= 0:
            raise Expired
        return Crop(url, box, size), left

    def _content(self, name: str) -> bytes:
        token = name.removesuffix(SUFFIX)
        if len(name) > MAX_LENGTH or token == name or not token.isascii():
            raise NotSigned
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise NotSigned from None
        signature, content = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)):
            raise NotSigned
        return content

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")[:_SIGNATURE_BYTES]
