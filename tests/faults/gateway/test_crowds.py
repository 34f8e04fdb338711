"""Crowds at one gateway: of callers, of those that leave, of those that only hold a socket; and a Redis that goes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import resource
import signal
import socket
import time
from pathlib import Path

import pytest
import requests

from tests.faults.gateway.figures import quantile, tell
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.load import Load, serve_more
from tests.integration.gateway.servers import Gateway, Redis, ScriptedUpstream, wait_for

HEAD = b"POST /detect HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def test_redis_may_die_freeze_and_return_under_load(
    start_gateway: StartGateway, upstream: ScriptedUpstream, redis: Redis
) -> None:
    gateway = start_gateway(REDIS_URL=redis.url, WORKERS="2")
    with Load(gateway.url, clients=8) as load:
        wait_for(lambda: load.done > 100)
        redis.signal(signal.SIGSTOP)
        wait_for(lambda: gateway.metric("gateway_redis_errors_total") >= 1, 20)
        serve_more(load, 200)
        redis.signal(signal.SIGKILL)
        serve_more(load, 200)
    tell("Redis frozen, then killed", load)
    assert load.lost == {}
    assert max(load.seconds) < 3.0


@pytest.mark.drill
def test_500_different_questions_are_served_or_turned_away_at_once(
    start_gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(GATEWAY_MAX_IN_FLIGHT="32", GATEWAY_POOL="16")
    upstream.delay = 0.5
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        photos = [{"url": f"https://cdn.example.com/{number}.jpg"} for number in range(500)]
        answers = list(pool.map(lambda photo: gateway.post("/detect", photo), photos))
    refused = [answer for answer in answers if answer.status_code == 503]
    wait_for(lambda: len(gateway.lines("request")) >= 500)
    took = [line["seconds"] for line in gateway.lines("request") if line["status"] == 503]
    print(
        f"500 at once: {500 - len(refused)} served, {len(refused)} refused, p99 {quantile(took, 0.99):.3f} s"
    )
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.json()["code"] for answer in refused} == {"too_busy"}
    assert all("Retry-After" in answer.headers for answer in refused)
    assert quantile(took, 0.99) < 0.1
    assert upstream.most_at_once <= 16


@pytest.mark.drill
def test_callers_that_leave_cost_one_call_a_question(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """200 leave right after they asked, twenty questions in all: what they asked is finished and kept."""
    upstream.delay = 0.5
    assert gateway.port is not None
    for number in range(200):
        body = b'{"url":"https://cdn.example.com/%d.jpg"}' % (number % 20)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
            sock.sendall(HEAD % len(body) + body)
    wait_for(lambda: gateway.metric("gateway_upstream_calls_total", outcome="ok") >= 20, 20)
    wait_for(lambda: gateway.metric("gateway_upstream_in_flight") == 0)
    print(f"200 callers left: {len(upstream.calls)} calls for 20 questions")
    assert len(upstream.calls) == 20
    assert gateway.post("/detect", {"url": "https://cdn.example.com/7.jpg"}).headers["X-Cache"] == "HIT"
    assert gateway.metric("http_requests_in_progress", handler="/detect") == 0


@pytest.mark.drill
def test_process_without_file_descriptors_recovers(gateway: Gateway) -> None:
    """80 sockets against 64 descriptors: it neither dies nor spins, and serves again when they are gone."""
    assert gateway.port is not None
    (pid,) = gateway.workers
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=5))
        before, begun = _cpu_seconds(pid), time.monotonic()
        wait_for(lambda: time.monotonic() - begun > 3.0)
        busy = (_cpu_seconds(pid) - before) / (time.monotonic() - begun)
        assert not _serves(gateway), "the fault has no effect"
    released = time.monotonic()
    wait_for(lambda: _serves(gateway), 15)
    recovered = time.monotonic() - released
    print(f"no descriptor left: {busy:.0%} of a CPU, served again after {recovered:.2f} s")
    assert recovered <= 5.0
    assert busy < 0.5


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serves(gateway: Gateway) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(gateway.url + "/livez", timeout=1).status_code == 200
    return False
