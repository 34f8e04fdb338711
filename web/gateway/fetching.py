"""Downloads photos, to cut crops out of them: the only requests this gateway makes for a stranger's address.

The address has passed the one rule for photos, and passes it again here; the rule is about names, so what a name
resolves to is judged too, at the very look-up whose result is connected to (a name may answer differently each
time). No redirect is followed, nothing is decompressed, and no token goes along.
"""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from procrastinate_app.ximilar import urls

from .photo_faults import PhotoUnusable

FETCH_SECONDS = 10.0
CONNECTIONS = 8  # each may hold a whole photo


class PhotoFetcher:
    """Fetches photos of at most `max_bytes`; `allow_private` lets them lie on local addresses (development).

    An async context manager, to be entered on the loop it is used on.
    """

    def __init__(self, *, max_bytes: int, allow_private: bool) -> None:
        self._max_bytes = max_bytes
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> PhotoFetcher:
        resolver = aiohttp.ThreadedResolver() if self._allow_private else PublicResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=resolver),
            headers={"User-Agent": "ximilar-gateway", "Accept": "image/*", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str) -> bytes:
        """Return the photo's bytes, whatever they are. Raises PhotoUnusable."""
        try:
            address = urls.photo_url(url, allow_private=self._allow_private)
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._download(address)
        except urls.UrlRefused as error:
            raise PhotoUnusable("address_refused") from error
        except TimeoutError as error:
            raise PhotoUnusable("timed_out") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(error.__cause__, AddressRefused)
            raise PhotoUnusable("address_refused" if refused else "unreachable") from error

    async def _download(self, url: str) -> bytes:
        assert self._session is not None, "enter the fetcher first"
        # As it is spelt: what was signed is what is asked for.
        async with self._session.get(yarl.URL(url, encoded=True), allow_redirects=False) as answer:
            if answer.status != 200:
                raise PhotoUnusable("not_there")
            if (answer.content_length or 0) > self._max_bytes:
                raise PhotoUnusable("too_large")
            found = bytearray()
            async for chunk in answer.content.iter_any():
                found += chunk
                if len(found) > self._max_bytes:
                    raise PhotoUnusable("too_large")
            return bytes(found)


class AddressRefused(OSError):
    """A public name with an address that is not."""


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one of whose addresses any is not public."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if not all(urls.is_public_address(entry["host"]) for entry in found):
            raise AddressRefused("the name resolves to an address that is not public")
        return found

    async def close(self) -> None:
        """Close what it asks."""
        await self._resolver.close()
