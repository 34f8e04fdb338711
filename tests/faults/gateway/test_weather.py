"""Ximilar fails in every way it can while callers ask: what they see, how soon, and how soon all is well again."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.faults.gateway.figures import quantile, tell
from tests.faults.gateway.watching import seconds_until_served, watched
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.load import Load
from tests.integration.gateway.servers import Gateway, Reply, ScriptedUpstream, wait_for

CLIENTS = 16
DEADLINE = 2.0
BREAKER = 1.0
SILENCE = 3600.0

# What Ximilar says, and what callers may be told: a code of the gateway's own.
SAID: dict[str, tuple[Reply, set[str]]] = {
    "503": ((503, b"", {}), {"server_fault", "breaker_open"}),
    # A retry may begin just before the deadline.
    "429 without end": ((429, b'{"status":{"code":429}}', {}), {"rate_limited", "timed_out"}),
    "429 for two minutes": ((429, b"", {"Retry-After": "120"}), {"rate_limited"}),
    "html": ((200, b"<html>down for maintenance</html>", {"Content-Type": "text/html"}), {"nonsense"}),
    "garbage": ((200, b'{"status": {"code": 2\xff', {}), {"nonsense"}),
    "no credit": ((200, b'{"status":{"code":402}}', {}), {"credit_exhausted"}),
}


@pytest.fixture
def in_a_hurry(start_gateway: StartGateway) -> Gateway:
    """Two processes, a deadline of two seconds, no cache."""
    return start_gateway(
        WORKERS="2",
        GATEWAY_CACHE_SECONDS="0",
        GATEWAY_DEADLINE_SECONDS=str(DEADLINE),
        GATEWAY_BREAKER_SECONDS=str(BREAKER),
    )


@pytest.mark.drill
@pytest.mark.parametrize("said", SAID)
def test_callers_are_told_why_at_once_and_served_again_after_it(
    in_a_hurry: Gateway, upstream: ScriptedUpstream, said: str
) -> None:
    reply, allowed = SAID[said]
    with Load(in_a_hurry.url, clients=CLIENTS) as load:
        wait_for(lambda: load.done > 50)
        upstream.script = lambda method, number: reply
        wait_for(lambda: sum(load.causes.values()) > 100, 20)
        upstream.script = lambda method, number: None
        recovered = seconds_until_served(load)
    tell(f"{said}, served again after {recovered:.2f} s", load)
    assert load.causes.keys() <= allowed
    assert max(load.seconds) <= DEADLINE + 0.5
    assert recovered <= 2 * BREAKER + 1


@pytest.mark.drill
def test_silence_ends_at_the_deadline_and_pages_stay_fast(
    in_a_hurry: Gateway, upstream: ScriptedUpstream
) -> None:
    """A black hole that still acknowledges: the connection stands, no answer comes."""
    with Load(in_a_hurry.url, clients=CLIENTS) as load, watched(in_a_hurry) as pages:
        wait_for(lambda: load.done > 50)
        upstream.delay = SILENCE
        wait_for(lambda: load.causes["breaker_open"] > 20, 20)
        upstream.delay = 0.0
        recovered = seconds_until_served(load)
    tell(f"silence, served again after {recovered:.2f} s", load)
    print(f"/livez meanwhile: {len(pages)} times, p99 {quantile(pages, 0.99):.3f} s")
    assert load.causes.keys() <= {"timed_out", "breaker_open"}
    assert max(load.seconds) <= DEADLINE + 0.5
    assert quantile(pages, 0.99) < 0.2
    # The probe that is out when silence ends takes its deadline, then the breaker opens once more.
    assert recovered <= DEADLINE + 2 * BREAKER + 1


@pytest.mark.drill
def test_packets_that_vanish_end_at_the_deadline(start_gateway: StartGateway) -> None:
    """A black hole that acknowledges nothing: no connection comes about."""
    with _hole() as port:
        gateway = start_gateway(
            XIMILAR_API_URL=f"http://127.0.0.1:{port}", GATEWAY_DEADLINE_SECONDS=str(DEADLINE)
        )
        with Load(gateway.url, clients=CLIENTS) as load:
            wait_for(lambda: load.causes["breaker_open"] > 20, 20)
    tell("no connection can be made", load)
    assert load.causes.keys() <= {"timed_out", "not_sent", "breaker_open"}
    assert max(load.seconds) <= DEADLINE + 0.5


@contextlib.contextmanager
def _hole() -> Iterator[int]:
    """A port whose queue of connections is full: the kernel drops what else comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port
