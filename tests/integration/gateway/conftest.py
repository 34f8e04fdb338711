"""Fixtures: a scripted Ximilar, and gateways made for one test each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .servers import Gateway, ScriptedUpstream

StartGateway = Callable[..., Gateway]


@pytest.fixture(scope="module")
def profile() -> str:
    """The profile of Ximilar's API; a module whose tests hold in both has a fixture of its own."""
    return "recognition"


def of_profile(profile: str) -> dict[str, str]:
    # Where the gateway cuts the crops, the photo lies on this machine.
    return {
        "XIMILAR_API_PROFILE": profile,
        "XIMILAR_ALLOW_PRIVATE_URLS": "on" if profile == "fashion" else "off",
    }


@pytest.fixture(scope="module")
def shared_upstream(profile: str) -> Iterator[ScriptedUpstream]:
    started = ScriptedUpstream(profile).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shared_gateway(
    tmp_path_factory: pytest.TempPathFactory, shared_upstream: ScriptedUpstream, profile: str
) -> Iterator[Gateway]:
    """One gateway without a cache, for the tests of a module that leave no trace in it."""
    environ = {
        **of_profile(profile),
        "XIMILAR_API_URL": shared_upstream.url,
        "GATEWAY_CACHE_SECONDS": "0",
        "GATEWAY_BREAKER_SECONDS": "0.1",
    }
    running = Gateway(tmp_path_factory.mktemp("gateway"), environ)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def scripted(shared_upstream: ScriptedUpstream) -> Iterator[ScriptedUpstream]:
    """The Ximilar behind `shared_gateway`, as new before and after the test."""
    shared_upstream.forget()
    yield shared_upstream
    shared_upstream.forget()


@pytest.fixture
def upstream(profile: str) -> Iterator[ScriptedUpstream]:
    started = ScriptedUpstream(profile).start()
    yield started
    started.stop()


@pytest.fixture
def start_gateway(tmp_path: Path, upstream: ScriptedUpstream, profile: str) -> Iterator[StartGateway]:
    """Start a gateway with these variables on top of those that lead it to the scripted upstream."""
    started: list[Gateway] = []

    def start(**environ: str) -> Gateway:
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        gateway = Gateway(folder, {"XIMILAR_API_URL": upstream.url, **of_profile(profile), **environ})
        started.append(gateway)
        return gateway.start()

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture
def gateway(start_gateway: StartGateway) -> Gateway:
    return start_gateway()


@pytest.fixture
def two_workers(start_gateway: StartGateway) -> Gateway:
    return start_gateway(WORKERS="2")
