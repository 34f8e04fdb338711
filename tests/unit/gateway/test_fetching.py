"""Where photos may be fetched from: names are judged, and so is what they resolve to."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from web.gateway import fetching
from web.gateway.fetching import PhotoFetcher
from web.gateway.photo_faults import PhotoUnusable
from web.gateway.resolving import AddressRefused, PublicResolver


class Names(AbstractResolver):
    """A DNS that answers with these addresses, one list a question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Nothing to close."""


def resolve(*addresses: str) -> list[str]:
    found = asyncio.run(PublicResolver(Names([*addresses])).resolve("cdn.example.com", 443))
    return [entry["host"] for entry in found]


def test_public_addresses_are_taken() -> None:
    assert resolve("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c") == [
        "93.184.215.14",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    ]


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.215.14", "10.0.0.5"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"]],
)
def test_one_private_address_is_enough_to_refuse(addresses: list[str]) -> None:
    with pytest.raises(AddressRefused):
        resolve(*addresses)


def test_a_name_that_changes_its_mind_is_refused_at_the_look_up_that_counts() -> None:
    resolver = PublicResolver(Names(["93.184.215.14"], ["127.0.0.1"]))

    async def twice() -> None:
        await resolver.resolve("rebind.example.com")
        await resolver.resolve("rebind.example.com")

    with pytest.raises(AddressRefused):
        asyncio.run(twice())


def fetch(url: str) -> bytes:
    async def fetched() -> bytes:
        async with PhotoFetcher(max_bytes=1000, allow_private=False) as fetcher:
            return await fetcher.fetch(url)

    return asyncio.run(fetched())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "http://[::1]/a.jpg",
        "http://2130706433/a.jpg",
        "http://localhost/a.jpg",
        "http://metadata.internal/a.jpg",
        "http://cdn.example.com:8001/a.jpg",
        "file:///etc/passwd",
        "http://user@cdn.example.com/a.jpg",
    ],
)
def test_the_rule_for_photos_holds_when_they_are_fetched(url: str) -> None:
    with pytest.raises(PhotoUnusable) as caught:
        fetch(url)
    assert caught.value.cause == "address_refused"


def test_a_name_for_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def rebound(*_args: object, **_options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with pytest.raises(PhotoUnusable) as caught:
        fetch("http://rebind.example.com/a.jpg")
    assert caught.value.cause == "address_refused"


@pytest.mark.parametrize("allow_private", [False, True])
def test_slow_names_of_photos_leave_the_loops_own_threads_free(
    monkeypatch: pytest.MonkeyPatch, allow_private: bool
) -> None:
    over, begun = threading.Event(), threading.Event()

    def slow(*_args: object, **_options: object) -> list[object]:
        begun.set()
        over.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def ask() -> None:
        async with PhotoFetcher(max_bytes=1000, allow_private=allow_private) as fetcher:
            urls = [f"http://slow-{number}.example.com/a.jpg" for number in range(fetching.CONNECTIONS)]
            tasks = [asyncio.create_task(fetcher.fetch(url)) for url in urls]
            try:
                assert await asyncio.to_thread(begun.wait, 10)
                async with asyncio.timeout(5):
                    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(50)))
            finally:
                over.set()
                await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(ask())
