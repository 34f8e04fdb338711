"""Care for Ximilar and for the bill: retries, limits, breaker, cache, single-flight, tokens."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import canaries

from .conftest import StartGateway
from .servers import Gateway, Redis, Reply, ScriptedUpstream, wait_for

PHOTO = {"url": "https://cdn.example.com/a.jpg"}
BEARER = canaries.PLANTED["bearer"]
LIMITED: Reply = (429, b'{"status":{"code":429}}', {})


@pytest.fixture(scope="module", params=["recognition", "fashion"])
def profile(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _many(gateway: Gateway, contents: list[dict[str, Any]]) -> list[requests.Response]:
    with concurrent.futures.ThreadPoolExecutor(len(contents)) as pool:
        return list(pool.map(lambda content: gateway.post("/detect", content), contents))


def _photos(count: int) -> list[dict[str, str]]:
    return [{"url": f"https://cdn.example.com/{number}.jpg"} for number in range(count)]


def test_429_is_retried_until_it_passes(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.script = lambda method, number: LIMITED if number < 4 else None
    assert gateway.post("/detect", PHOTO).status_code == 200
    assert len(upstream.calls) == 4
    assert gateway.metric("gateway_upstream_retries_total", call="detect") == 3


def test_429_is_retried_three_times_at_most(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.script = lambda method, number: LIMITED
    answer = gateway.post("/detect", PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(upstream.calls) == 4


def test_retry_after_is_waited_for(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.script = lambda method, number: (429, b"", {"Retry-After": "1"}) if number == 1 else None
    started = time.monotonic()
    assert gateway.post("/detect", PHOTO).status_code == 200
    assert time.monotonic() - started >= 1.0


def test_retry_after_beyond_the_deadline_is_passed_on_at_once(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.script = lambda method, number: (429, b"", {"Retry-After": "120"})
    started = time.monotonic()
    answer = gateway.post("/detect", PHOTO)
    assert time.monotonic() - started < 1.0
    assert answer.headers["Retry-After"] == "120"
    assert len(upstream.calls) == 1


def test_500_same_questions_at_once_are_one_call(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.awaited = lambda: gateway.metric("http_requests_in_progress", handler="/detect") == 500
    answers = _many(gateway, [PHOTO] * 500)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(upstream.calls) == 1
    seen = [answer.headers["X-Cache"] for answer in answers]
    assert seen.count("MISS") == 1
    assert seen.count("JOINED") > 400


def test_same_question_again_is_a_hit_unless_fresh_is_wanted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    first, second = gateway.post("/detect", PHOTO), gateway.post("/detect", PHOTO)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert first.content == second.content
    fresh = gateway.post("/detect", PHOTO, headers={"Cache-Control": "no-cache"})
    assert fresh.headers["X-Cache"] == "MISS"
    assert len(upstream.calls) == 2
    assert gateway.metric("gateway_cache_total", call="detect", result="hit") == 1


def test_failures_are_not_kept(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.script = lambda method, number: (200, b'{"status":{"code":400}}', {}) if number == 1 else None
    assert gateway.post("/detect", PHOTO).status_code == 422
    assert gateway.post("/detect", PHOTO).status_code == 200


def test_cache_can_be_off(start_gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    gateway = start_gateway(GATEWAY_CACHE_SECONDS="0")
    assert [gateway.post("/detect", PHOTO).headers["X-Cache"] for _ in range(3)] == ["MISS"] * 3
    assert len(upstream.calls) == 3


def test_answer_of_a_client_that_left_is_kept_for_it(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.delay = 0.6
    with pytest.raises(requests.Timeout):
        requests.post(gateway.url + "/detect", json=PHOTO, timeout=0.2)
    wait_for(lambda: gateway.metric("gateway_upstream_calls_total", outcome="ok") == 1)
    assert gateway.post("/detect", PHOTO).headers["X-Cache"] == "HIT"
    assert len(upstream.calls) == 1
    assert gateway.metric("http_requests_in_progress", handler="/detect") == 0
    assert gateway.metric("gateway_upstream_in_flight") == 0


def test_too_many_calls_are_turned_away_fast(start_gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    gateway = start_gateway(GATEWAY_MAX_IN_FLIGHT="20", GATEWAY_POOL="10")
    upstream.delay = 1.0
    answers = _many(gateway, _photos(60))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 40
    assert {answer.json()["code"] for answer in refused} == {"too_busy"}
    assert sum(answer.status_code == 200 for answer in answers) == 20
    assert upstream.most_at_once == 10
    wait_for(lambda: len(gateway.lines("request")) == 60)
    took = [line["seconds"] for line in gateway.lines("request") if line["status"] == 503]
    assert max(took) < 0.1


def test_breaker_opens_answers_fast_and_closes_again(
    start_gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(GATEWAY_BREAKER_SECONDS="1")
    upstream.script = lambda method, number: (503, b"", {})
    for content in _photos(20):
        gateway.post("/detect", content)
    answer = gateway.post("/detect", PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "breaker_open")
    assert answer.elapsed.total_seconds() < 0.05
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(upstream.calls) == 20
    wait_for(lambda: gateway.metric("gateway_breaker_state") >= 1)
    upstream.script = lambda method, number: None
    wait_for(lambda: gateway.post("/detect", PHOTO).status_code == 200, 5)
    wait_for(lambda: gateway.metric("gateway_breaker_state") == 0)


def test_expected_502_does_not_open_the_breaker(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.script = lambda method, number: (401, b"", {})
    codes = {gateway.post("/detect", content).json()["code"] for content in _photos(30)}
    assert codes == {"token_refused"}
    assert len(upstream.calls) == 30


@pytest.fixture
def guarded(start_gateway: StartGateway, tmp_path: Path) -> tuple[Gateway, Path]:
    tokens = tmp_path / "tokens"
    tokens.write_text(_line("orchestrator", BEARER))
    return start_gateway(GATEWAY_TOKENS_FILE=str(tokens)), tokens


def _line(name: str, token: str) -> str:
    return f"{name}:{hashlib.sha256(token.encode()).hexdigest()}\n"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_token_is_asked_for(guarded: tuple[Gateway, Path], upstream: ScriptedUpstream) -> None:
    gateway, _ = guarded
    for headers in ({}, _bearer("wrong"), {"Authorization": f"Basic {BEARER}"}, _bearer("\xe9")):
        answer = gateway.post("/detect", PHOTO, headers={k: v.encode("latin-1") for k, v in headers.items()})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not upstream.calls
    assert gateway.post("/detect", PHOTO, headers=_bearer(BEARER)).status_code == 200
    assert gateway.get("/health").status_code == 200
    assert gateway.get("/metrics").status_code == 200
    wait_for(lambda: any(line.get("caller") == "orchestrator" for line in gateway.lines("request")))
    assert gateway.metric("gateway_unauthorized_total") == 4


def test_strangers_body_is_not_waited_for(guarded: tuple[Gateway, Path]) -> None:
    gateway, _ = guarded
    assert gateway.port is not None
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(
            b"POST /detect HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 401 ")


def test_tokens_are_rotated_without_a_restart(guarded: tuple[Gateway, Path]) -> None:
    gateway, tokens = guarded

    def status(token: str) -> int:
        return gateway.post("/detect", PHOTO, headers=_bearer(token)).status_code

    tokens.write_text(_line("orchestrator", BEARER) + _line("orchestrator", "second"))
    wait_for(lambda: status("second") == 200)
    assert status(BEARER) == 200
    tokens.write_text("not a token\n")
    wait_for(lambda: status("second") == 200 and gateway.lines("tokens_unreadable"))
    assert status("second") == 200
    tokens.write_text(_line("orchestrator", "second"))
    wait_for(lambda: status(BEARER) == 401)
    assert status("second") == 200


def test_a_withdrawn_token_stays_so_in_a_new_process(guarded: tuple[Gateway, Path]) -> None:
    gateway, tokens = guarded

    def status(token: str) -> int:
        return gateway.post("/detect", PHOTO, headers=_bearer(token)).status_code

    tokens.write_text(_line("orchestrator", "second"))
    wait_for(lambda: (status(BEARER), status("second")) == (401, 200))
    tokens.write_text("not a token\n")
    wait_for(lambda: status("second") == 200 and gateway.lines("tokens_unreadable"))
    old = gateway.workers
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: gateway.workers and gateway.workers != old)
    assert status(BEARER) == 401
    tokens.write_text(_line("orchestrator", "second"))
    wait_for(lambda: status("second") == 200)


def test_redis_is_shared_and_missed_by_nobody(
    start_gateway: StartGateway, upstream: ScriptedUpstream, redis: Redis
) -> None:
    one, other = start_gateway(REDIS_URL=redis.url), start_gateway(REDIS_URL=redis.url)
    assert one.post("/tag", PHOTO).headers["X-Cache"] == "MISS"
    wait_for(lambda: other.post("/tag", PHOTO).headers["X-Cache"] == "HIT")
    asked = _tagged(upstream)
    redis.signal(signal.SIGKILL)
    redis.process.wait()
    for content in _photos(5):
        answer = other.post("/tag", content)
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() < 1.0
    assert _tagged(upstream) == asked + 5
    assert other.metric("gateway_redis_errors_total") >= 1


def _tagged(upstream: ScriptedUpstream) -> int:
    return sum(method == "classify" for method, _ in upstream.calls)
