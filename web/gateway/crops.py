"""Crops: finds out what an address of ours names, has the photo behind it, and cuts.

Ximilar's profile may give no crops of its own. Then this gateway signs addresses of pieces of the photo, and
whoever asks about such an address is asking about that piece; without GATEWAY_CROP_KEY and GATEWAY_PUBLIC_URL
there are no addresses, and pieces are cut for /recognize only.
"""

from __future__ import annotations

from collections.abc import Sequence

from procrastinate_app.ximilar import urls
from procrastinate_app.ximilar.answers import Item, Photo

from .crop_urls import Crop, CropUrls, Expired, NotSigned
from .cutter import Cutter
from .exchange import Exchange
from .photo_faults import PhotoUnusable
from .problems import Problem, TooBusy, from_error


class Crops:
    """What `cutter` cuts; `signer` is None where no addresses are given."""

    def __init__(self, cutter: Cutter, signer: CropUrls | None, *, allow_private: bool) -> None:
        self._cutter = cutter
        self._signer = signer
        self._allow_private = allow_private

    @property
    def prefix(self) -> str | None:
        """What the addresses of our crops begin with; None: there are none."""
        return self._signer.prefix if self._signer else None

    def addressed(self, url: str, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items found on the photo at `url`, each with the address of a crop if there can be one."""
        if self._signer is None:
            return items
        return [item if item.crop_url else item.with_crop(self._address(url, item)) for item in items]

    async def photo(self, url: str, exchange: Exchange) -> Photo:
        """Return what to send to Ximilar for an address that a client names. Raises Problem."""
        if self._signer is None or not url.startswith(self._signer.prefix):
            return Photo(url)
        field = exchange.field
        try:
            crop, _ = self._signer.crop_at(url)
            jpeg = await self._piece(crop, exchange.ends)
        except NotSigned:
            raise Problem(422, "invalid", f"{field} is not the address of a crop.", field=field) from None
        except Expired:
            raise Problem(422, "crop_expired", "This crop's address has expired.", field=field) from None
        except PhotoUnusable as error:
            raise error.problem(422, field) from error
        return Photo(jpeg=jpeg)

    async def named(self, name: str, exchange: Exchange) -> tuple[bytes, float]:
        """Return the JPEG that the last part of an address names, and for how many seconds. Raises Problem."""
        try:
            if self._signer is None:
                raise NotSigned
            crop, seconds = self._signer.crop_named(name)
            jpeg = await self._piece(crop, exchange.ends)
        except NotSigned:
            raise Problem(404, "not_found", "There is nothing at this path.") from None
        except Expired:
            raise Problem(410, "crop_expired", "This crop's address has expired.") from None
        except PhotoUnusable as error:
            raise error.problem(502) from error
        return jpeg, seconds

    def expect(self, url: str) -> None:
        """Have the photo at `url` fetched while it is not yet known what is on it."""
        self._cutter.expect(url)

    async def photos(self, url: str, items: Sequence[Item], exchange: Exchange) -> list[Photo | Problem]:
        """Return what to send to Ximilar for each item found on the photo at `url`, or why nothing can be."""
        found: list[Photo | Problem] = [self._given(item) for item in items]
        crops = {place: Crop.of(url, item) for place, item in enumerate(items) if not item.crop_url}
        wanted = {place: crop for place, crop in crops.items() if crop is not None}
        if wanted:
            pieces = await self._pieces(list(wanted.values()), exchange.ends)
            found = [pieces.pop(0) if place in wanted else photo for place, photo in enumerate(found)]
        return found

    def _address(self, url: str, item: Item) -> str | None:
        crop = Crop.of(url, item)
        return self._signer.url_of(crop) if self._signer and crop else None

    def _given(self, item: Item) -> Photo | Problem:
        try:
            return Photo(urls.photo_url(item.crop_url or "", allow_private=self._allow_private))
        except urls.UrlRefused:
            return Problem(502, "no_crop", "Ximilar gave no usable crop of this item.")

    async def _pieces(self, crops: Sequence[Crop], ends: float) -> list[Photo | Problem]:
        try:
            found = await self._cutter.cut(crops, ends)
        except PhotoUnusable as error:
            return [error.problem(502) for _ in crops]
        except TooBusy as error:
            return [from_error(error, "crop_url") for _ in crops]
        return [Photo(jpeg=jpeg) if jpeg else PhotoUnusable("outside").problem(502) for jpeg in found]

    async def _piece(self, crop: Crop, ends: float) -> bytes:
        (jpeg,) = await self._cutter.cut([crop], ends)
        if jpeg is None:
            raise PhotoUnusable("outside")
        return jpeg
