"""The access log: whole lines, whoever reads them, and no waiting for somebody who does not."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from web.gateway.access_log import MAX_HELD_BYTES, AccessLog
from web.gateway.exchange import Exchange


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        os.close(end)


def exchange(path: str = "/detect", **headers: str) -> Exchange:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"headers": sent, "path": path, "method": "POST", "client": ("10.0.0.7", 5)}
    return Exchange(scope, 0.0, 30.0)


def written(pipe: tuple[int, int], fill: Any, **options: Any) -> bytes:
    async def run() -> None:
        log = AccessLog(fd=pipe[1], **options)
        fill(log)
        log.flush()

    asyncio.run(run())
    try:
        return os.read(pipe[0], 1_000_000)
    except BlockingIOError:
        return b""


def test_a_line_is_json_on_one_line(pipe: tuple[int, int]) -> None:
    made = exchange("/a\nb\x1b[31m" + "x" * 500)
    line = written(pipe, lambda log: log.write(made, 404, 0.0123456789))
    assert line.count(b"\n") == 1
    facts = json.loads(line)
    assert facts["event"] == "request"
    assert facts["status"] == 404
    assert facts["seconds"] == 0.012346
    assert facts["client"] == "10.0.0.7"
    assert len(facts["path"]) == 200
    assert "cache" not in facts
    assert "caller" not in facts


def test_text_for_a_terminal(pipe: tuple[int, int]) -> None:
    line = written(pipe, lambda log: log.write(exchange(), 200, 0.1), text=True)
    assert b" request " in line
    assert b"status=200" in line


def test_health_checks_are_quiet_unless_they_fail(pipe: tuple[int, int]) -> None:
    def fill(log: AccessLog) -> None:
        log.write(exchange("/health"), 200, 0.1)
        log.write(exchange("/readyz"), 503, 0.1)

    assert written(pipe, fill).count(b"\n") == 1
    assert written(pipe, fill, verbose=True).count(b"\n") == 2
    assert written(pipe, fill, enabled=False) == b""


def test_a_full_pipe_stops_nothing_and_loses_whole_lines_only(pipe: tuple[int, int]) -> None:
    dropped = []

    async def run() -> int:
        log = AccessLog(fd=pipe[1], on_drop=lambda: dropped.append(1))
        for _ in range(2 * MAX_HELD_BYTES // 150):
            log.write(exchange(), 200, 0.1)
        log.flush()
        lines = 0
        while chunk := _drain(pipe[0]):
            lines += chunk.count(b"\n")
            log.flush()
        return lines

    lines = asyncio.run(run())
    assert dropped
    assert lines + len(dropped) == 2 * MAX_HELD_BYTES // 150


def _drain(end: int) -> bytes:
    found = b""
    try:
        while chunk := os.read(end, 65536):
            found += chunk
    except BlockingIOError:
        pass
    for line in found.splitlines():
        json.loads(line)
    return found
