"""Looks up the names of photos' hosts, in threads of its own: a stranger's slow DNS keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from procrastinate_app.ximilar import urls

THREADS = 8
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
_Found = tuple[int, int, int, str, tuple[Any, ...]]


class AddressRefused(OSError):
    """A public name with an address that is not."""


class Resolver(AbstractResolver):
    """Asks the system. The loop's own threads, which look up Ximilar, are left out of it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="photo-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses. Raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=_NUMERIC
            )
            for kind, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """Give up what is under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one of whose addresses any is not public."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or Resolver()

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


def _look_up(host: str, port: int, family: socket.AddressFamily) -> Sequence[_Found]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
