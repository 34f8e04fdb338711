"""`python -m tests.integration.gateway.soak [REQUESTS]`: is the gateway's memory flat over 100,000 requests?

A tenth of them are refused and a tenth fail upstream. Prints the memory of its process after each block; ends
with 1 where it grows by more than 1 KiB a request after the first tenth, or beyond 300 MB.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from .servers import Gateway, Reply, ScriptedUpstream

BLOCKS = 20
CLIENTS = 32
GROWTH_BYTES = 1024.0
MOST_MB = 300.0


def main(requests: int) -> int:
    """Run the soak; return the exit code."""
    upstream = ScriptedUpstream().start()
    upstream.script = _script
    with tempfile.TemporaryDirectory() as folder:
        environ = {"XIMILAR_API_URL": upstream.url, "GATEWAY_CACHE_ENTRIES": "1000"}
        gateway = Gateway(Path(folder), environ).start()
        try:
            sizes = asyncio.run(_soak(gateway, upstream, requests))
        finally:
            gateway.stop()
            upstream.stop()
    warm, last = sizes[BLOCKS // 10], sizes[-1]
    growth = (last - warm) / (requests * 0.9)
    print(f"growth {growth:.1f} bytes a request, largest {max(sizes) / 1e6:.1f} MB")
    return 1 if growth > GROWTH_BYTES or max(sizes) > MOST_MB * 1e6 else 0


def _script(_method: str, number: int) -> Reply | None:
    return (500, b"down", {}) if number % 10 == 0 else None


async def _soak(gateway: Gateway, upstream: ScriptedUpstream, requests: int) -> list[int]:
    sizes = [_resident(gateway)]
    async with aiohttp.ClientSession() as session:
        for block in range(BLOCKS):
            ends = (block + 1) * requests // BLOCKS
            numbers = iter(range(block * requests // BLOCKS, ends))
            await asyncio.gather(*(_client(session, gateway.url, numbers) for _ in range(CLIENTS)))
            upstream.calls.clear()
            upstream.headers.clear()
            sizes.append(_resident(gateway))
            print(f"{ends:>8} requests  {sizes[-1] / 1e6:7.1f} MB", flush=True)
    return sizes


async def _client(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        photo = f"https://cdn.example.com/{number}.jpg" if number % 10 else "http://127.0.0.1/"
        async with session.post(url + "/detect", json={"url": photo}) as answer:
            await answer.read()
            assert answer.status in (200, 422, 503), answer.status


def _resident(gateway: Gateway) -> int:
    (pid,) = gateway.workers
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
