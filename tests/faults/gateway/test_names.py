"""The name of Ximilar is not found, found late, or found wrongly, while callers ask the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.gateway.figures import quantile, tell
from tests.faults.gateway.watching import seconds_until_served, watched
from tests.fix_hosts import Network
from tests.fix_names import FAULTS, NameServer
from tests.fix_proxy import FaultProxy
from tests.integration.gateway.load import Load
from tests.integration.gateway.servers import Gateway, ScriptedUpstream, wait_for

NAME = "api.ximilar.test"
CLIENTS = 16
DEADLINE = 2.0
BREAKER = 1.0
# A resolver repeats its question after so long.
RESOLVER = 5.0


@dataclass(frozen=True, slots=True)
class Remote:
    """A gateway on a host of its own, and its way to Ximilar."""

    gateway: Gateway
    way: FaultProxy


@pytest.fixture
def remote(
    tmp_path: Path, network: Network, names: NameServer, upstream: ScriptedUpstream
) -> Iterator[Remote]:
    """It knows Ximilar by its name only."""
    host, way = network.host(), network.proxy(upstream.url)
    host.ask_names_of(names.address)
    variables = {
        "HOST": host.address,
        "XIMILAR_API_URL": way.address(upstream.url).replace(way.host, NAME),
        "GATEWAY_CACHE_SECONDS": "0",
        "GATEWAY_DEADLINE_SECONDS": str(DEADLINE),
        "GATEWAY_BREAKER_SECONDS": str(BREAKER),
    }
    gateway = Gateway(tmp_path, variables, prefix=host.command())
    try:
        yield Remote(gateway.start(), way)
    finally:
        gateway.stop()


@pytest.mark.drill
@pytest.mark.parametrize("fault", FAULTS)
def test_no_name(remote: Remote, names: NameServer, fault: str) -> None:
    """Its connections end again and again, until it has to ask for the name and callers are told."""
    gateway = remote.gateway
    with Load(gateway.url, clients=CLIENTS) as load, watched(gateway) as pages:
        wait_for(lambda: load.done > 50)
        names.manner, asked = FAULTS[fault], names.asked

        def felt() -> bool:
            remote.way.cut()
            return names.asked > asked and load.causes["breaker_open"] > 100

        wait_for(felt, 40)
        refused = gateway.post("/detect", {"url": "https://cdn.example.com/of-its-own.jpg"})
        names.heal()
        recovered = seconds_until_served(load)
    tell(f"names {fault}, served again after {recovered:.2f} s", load)
    print(f"/livez meanwhile: {len(pages)} times, p99 {quantile(pages, 0.99):.3f} s")
    assert load.lost.keys() == {"503"}
    assert load.causes.keys() <= {"not_sent", "no_answer", "breaker_open"}
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert max(load.seconds) <= DEADLINE + 0.5
    assert quantile(pages, 0.99) < 0.2
    assert recovered <= RESOLVER + DEADLINE + 2 * BREAKER + 1
