"""The bench's own parts: they load our gateway without one failed request, and count what that costs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.bench import load, servers
from ops.bench.servers import Server

CLIENTS = 4

pytestmark = pytest.mark.skipif(
    shutil.which("wrk") is None or shutil.which("cc") is None, reason="wrk or a C compiler is not installed"
)


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(servers, "HOME", tmp_path)
    servers.build_upstream()
    with servers.running(servers.upstream(0.05)) as behind:
        yield behind


def test_our_gateway_answers_all_it_is_asked(upstream: Server) -> None:
    with servers.running(servers.ours(upstream.url, 1)) as gateway:
        sample = load.load(gateway, clients=CLIENTS, seconds=1)
        assert gateway.settled_memory() > 1e6
    assert 0 < sample.rate <= CLIENTS / 0.05
    assert 0.05 <= sample.p50 <= sample.p99
    assert sample.cpu > 0


def test_failures_are_not_counted_as_answers(upstream: Server) -> None:
    launch = servers.ours(upstream.url, 1)
    with servers.running(launch) as gateway:
        gateway.token = "another"
        with pytest.raises(load.LoadError, match="requests failed"):
            load.load(gateway, clients=CLIENTS, seconds=1)
