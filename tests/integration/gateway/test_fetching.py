"""Slow photo hosts: they keep their own photos waiting, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from web.gateway import fetching
from web.gateway.fetching import PhotoFetcher
from web.gateway.photo_faults import PhotoUnusable
from web.gateway.problems import TooBusy


class SlowHost:
    """Answers each request after `seconds`, or when `over` is set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = 0
        self.over = asyncio.Event()
        self.full = asyncio.Event()  # it has as many requests as it may have at once

    async def __aenter__(self) -> SlowHost:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.over.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if self.asked == fetching.CONNECTIONS_PER_HOST:
            self.full.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), self.seconds)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\nConnection: close\r\n\r\n" + bytes(600))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()


def with_hosts(drive: Callable[[PhotoFetcher, SlowHost, SlowHost], Awaitable[None]], *seconds: float) -> None:
    async def run() -> None:
        one, two = (SlowHost(each) for each in seconds)
        async with PhotoFetcher(max_bytes=1000, allow_private=True) as fetcher, one as slow, two as other:
            await drive(fetcher, slow, other)

    asyncio.run(run())


def test_slow_hosts_keep_no_other_waiting() -> None:
    async def drive(fetcher: PhotoFetcher, slow: SlowHost, other: SlowHost) -> None:
        urls = [f"{slow.url}/{number}.jpg" for number in range(fetching.CONNECTIONS)]
        tasks = [asyncio.create_task(fetcher.fetch(url)) for url in urls]
        async with asyncio.timeout(5):
            await slow.full.wait()
            assert len(await fetcher.fetch(f"{other.url}/a.jpg")) == 600
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with_hosts(drive, 20, 0)


def test_the_time_for_a_photo_begins_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 1.5)
    monkeypatch.setattr(fetching, "CONNECTIONS_PER_HOST", 1)

    async def drive(fetcher: PhotoFetcher, slow: SlowHost, _other: SlowHost) -> None:
        found = await asyncio.gather(*(fetcher.fetch(f"{slow.url}/{number}.jpg") for number in range(3)))
        assert [len(photo) for photo in found] == [600] * 3

    with_hosts(drive, 0.7, 0)


def test_the_wait_for_a_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "QUEUE_SECONDS", 0.1)
    monkeypatch.setattr(fetching, "CONNECTIONS_PER_HOST", 1)

    async def drive(fetcher: PhotoFetcher, slow: SlowHost, _other: SlowHost) -> None:
        first = asyncio.create_task(fetcher.fetch(f"{slow.url}/1.jpg"))
        with pytest.raises(PhotoUnusable) as caught:
            await asyncio.gather(fetcher.fetch(f"{slow.url}/2.jpg"), fetcher.fetch(f"{slow.url}/3.jpg"))
        assert caught.value.cause == "timed_out"
        first.cancel()

    with_hosts(drive, 5, 0)


def test_the_bytes_of_all_downloads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LARGEST_AT_ONCE", 0.5)

    async def drive(fetcher: PhotoFetcher, slow: SlowHost, _other: SlowHost) -> None:
        for _ in range(2):  # what is given up is given back
            with pytest.raises(TooBusy):
                await fetcher.fetch(f"{slow.url}/1.jpg")
        monkeypatch.setattr(fetching, "LARGEST_AT_ONCE", 1)
        assert len(await fetcher.fetch(f"{slow.url}/1.jpg")) == 600

    with_hosts(drive, 0, 0)
