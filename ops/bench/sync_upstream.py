"""python -m ops.bench.sync_upstream PORT: a Ximilar that stores nothing and costs little, to measure what calls it.

It says yes to every insert of both profiles, and tells when how many photos arrived: one line of JSON at
`GET /arrivals`. The emulator would be the bottleneck here: it really downloads and describes every photo.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

FASHION_INSERT = b"POST /similarity/fashion-new/v2/insert "
STORED = b'{"status":{"code":210,"text":"OK","request_id":"bench"}}'


class Upstream(asyncio.Protocol):
    """One connection; requests come one after another, with Content-Length."""

    def __init__(self, arrivals: list[tuple[float, int]]) -> None:
        self.arrivals = arrivals
        self._seen = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, separator, rest = self._seen.partition(b"\r\n\r\n")
        length = _content_length(head) if separator else 0
        if not separator or len(rest) < length:
            return
        self._seen = rest[length:]
        answer = self._answer(head, rest[:length])
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET /arrivals "):
            return json.dumps(self.arrivals).encode()
        if not head.startswith(FASHION_INSERT):
            self.arrivals.append((time.monotonic(), 1))
            return STORED
        ids = [record["_id"] for record in json.loads(body)["records"]]
        self.arrivals.append((time.monotonic(), len(ids)))
        answered = {"answer_records": [{"_id": one} for one in ids], "answer_count": len(ids)}
        return json.dumps({**answered, "skipped_records": [], **json.loads(STORED)}).encode()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve(port: int) -> None:
    arrivals: list[tuple[float, int]] = []
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(arrivals), "127.0.0.1", port)
    print(f"upstream listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
