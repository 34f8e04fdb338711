"""The firewalls, in a network namespace of their own: who gets through, and who does not."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "ops/firewall"
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

# Accepts on a port until its stdin closes.
LISTENER = """
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=64)
print("ready", flush=True)
sys.stdin.read()
"""
# Prints which of the ports answer from an address.
CALLER = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
source, target, *ports = sys.argv[1:]

def answers(port):
    try:
        socket.create_connection((target, int(port)), timeout=1.0, source_address=(source, 0)).close()
    except OSError:
        return False
    return True

with ThreadPoolExecutor(len(ports)) as pool:
    print(*(port for port, open in zip(ports, pool.map(answers, ports)) if open))
"""


class Network:
    """A guarded host and a neighbour that has any address, joined by a cable."""

    def __init__(self, host: str) -> None:
        tag = secrets.token_hex(3)
        self.host, self.address = f"ximilar-h{tag}", host
        self.neighbour = f"ximilar-n{tag}"
        self._cable = (f"xh{tag}", f"xn{tag}")

    def make(self) -> None:
        """Make both namespaces. Raises CalledProcessError where that is not permitted."""
        for namespace in (self.host, self.neighbour):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        ours, theirs = self._cable
        _ip("link", "add", ours, "netns", self.host, "type", "veth", "peer", theirs, "netns", self.neighbour)
        self.give(self.host, ours, self.address)
        _ip("-n", self.neighbour, "link", "set", theirs, "up")

    def neighbour_has(self, *addresses: str) -> None:
        for address in addresses:
            self.give(self.neighbour, self._cable[1], address)

    def give(self, namespace: str, device: str, address: str) -> None:
        _ip("-n", namespace, "address", "replace", f"{address}/16", "dev", device)
        _ip("-n", namespace, "link", "set", device, "up")

    def load(self, ruleset: Path) -> None:
        self.inside(self.host, "nft", "-f", str(ruleset))

    def inside(self, namespace: str, *command: str) -> str:
        return subprocess.run(
            ["ip", "netns", "exec", namespace, *command],
            env={**os.environ, "PATH": SBIN},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    @contextlib.contextmanager
    def listening(self, namespace: str, *ports: int) -> Iterator[None]:
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", LISTENER]
        with contextlib.ExitStack() as stack:
            for port in ports:
                process = stack.enter_context(
                    subprocess.Popen(
                        [*command, str(port)],
                        env={**os.environ, "PATH": SBIN},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            yield

    def answering(self, source_namespace: str, source: str, target: str, *ports: int) -> set[int]:
        """The ports of `target` that answer somebody who calls from `source`."""
        arguments = (source, target, *map(str, ports))
        found = self.inside(source_namespace, sys.executable, "-c", CALLER, *arguments)
        return {int(port) for port in found.split()}

    def remove(self) -> None:
        for namespace in (self.host, self.neighbour):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], env={**os.environ, "PATH": SBIN}, capture_output=True, check=True)


def defined(ruleset: Path, name: str) -> list[str]:
    """The addresses of a `define`; of a network, one in it."""
    found = re.search(rf"^define {name} = {{ (.*) }}$", ruleset.read_text(), re.MULTILINE)
    assert found, name
    return [address.replace("0/24", "77") for address in found[1].split(", ")]


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    if os.geteuid() != 0 or shutil.which("nft", path=SBIN) is None or shutil.which("ip", path=SBIN) is None:
        pytest.skip("needs root, nft and ip (apt-get install nftables iproute2)")
    network = Network(request.param)
    try:
        network.make()
    except subprocess.CalledProcessError as error:
        network.remove()
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield network
    network.remove()


GATEWAY = pytest.mark.parametrize("network", ["10.1.0.12"], indirect=True)
WORKER = pytest.mark.parametrize("network", ["10.1.0.11"], indirect=True)
STRANGER = "10.1.9.9"


@GATEWAY
def test_gateway_is_called_by_callers_only(network: Network) -> None:
    ruleset = FOLDER / "gateway.nft"
    (prometheus,), (admin,) = defined(ruleset, "MONITORING"), defined(ruleset, "ADMINS")
    callers = defined(ruleset, "CALLERS")
    network.neighbour_has(prometheus, admin, STRANGER, *callers)
    ports = (22, 5432, 8001, 9100)
    with network.listening(network.host, *ports):
        assert network.answering(network.neighbour, STRANGER, network.address, *ports) == set(ports)
        network.load(ruleset)
        for caller in callers:
            assert network.answering(network.neighbour, caller, network.address, *ports) >= {8001}
            assert network.answering(network.neighbour, caller, network.address, 5432, 9100) == set()
        assert network.answering(network.neighbour, prometheus, network.address, *ports) >= {8001, 9100}
        assert network.answering(network.neighbour, admin, network.address, *ports) == {22}
        assert network.answering(network.neighbour, STRANGER, network.address, *ports) == set()
        assert network.answering(network.host, "127.0.0.1", "127.0.0.1", *ports) == set(ports)


@WORKER
def test_worker_host_is_called_by_prometheus_and_admins_only(network: Network) -> None:
    ruleset = FOLDER / "worker.nft"
    (prometheus,), (admin,) = defined(ruleset, "MONITORING"), defined(ruleset, "ADMINS")
    network.neighbour_has(prometheus, admin, STRANGER)
    ports = (22, 8001, 8002, 9100, 9101)
    with network.listening(network.host, *ports):
        network.load(ruleset)
        assert network.answering(network.neighbour, prometheus, network.address, *ports) >= {9100, 9101}
        assert network.answering(network.neighbour, prometheus, network.address, 8001, 8002) == set()
        assert network.answering(network.neighbour, admin, network.address, *ports) == {22}
        assert network.answering(network.neighbour, STRANGER, network.address, *ports) == set()


@WORKER
def test_worker_host_calls_staging_and_nothing_else_nearby(network: Network) -> None:
    ruleset = FOLDER / "worker.nft"
    (staging,) = defined(ruleset, "STAGING")
    network.neighbour_has(staging, STRANGER)
    ports = (53, 443, 5432, 6379, 6432)
    network.load(ruleset)
    with network.listening(network.neighbour, *ports):
        assert network.answering(network.host, network.address, staging, *ports) == {53, 5432, 6432}
        assert network.answering(network.host, network.address, STRANGER, *ports) == {53}


@GATEWAY
def test_gateway_host_calls_the_internet_by_https_only(network: Network) -> None:
    internet = "198.51.100.7"  # TEST-NET-2
    network.neighbour_has("10.1.0.20")
    network.inside(network.neighbour, "ip", "address", "add", f"{internet}/32", "dev", "lo")
    network.inside(network.host, "ip", "route", "add", "default", "via", "10.1.0.20")
    network.load(FOLDER / "gateway.nft")
    ports = (25, 80, 443, 5432, 8080)
    with network.listening(network.neighbour, *ports):
        assert network.answering(network.host, network.address, internet, *ports) == {80, 443}


@GATEWAY
def test_loading_again_replaces_our_table_and_no_other(network: Network) -> None:
    network.inside(network.host, "nft", "add", "table", "ip", "docker_has_one_too")
    network.load(FOLDER / "gateway.nft")
    network.load(FOLDER / "gateway.nft")
    tables = network.inside(network.host, "nft", "list", "tables").splitlines()
    assert sorted(tables) == ["table inet ximilar", "table ip docker_has_one_too"]


@GATEWAY
def test_port_that_docker_publishes_is_guarded_too(network: Network) -> None:
    """Docker rewrites the target before anything is filtered: such a call is forwarded, not received."""
    ruleset = FOLDER / "gateway.nft"
    caller, container = defined(ruleset, "CALLERS")[0], "172.18.0.2"
    network.neighbour_has(caller, STRANGER)
    # A container: a third namespace behind a bridge of Docker's naming, and Docker's rewriting rule.
    inner = f"{network.host}c"
    _ip("netns", "add", inner)
    try:
        network.inside(network.host, "ip", "link", "add", "br-test", "type", "bridge")
        network.give(network.host, "br-test", "172.18.0.1")
        _ip("-n", network.host, "link", "add", "vc0", "type", "veth", "peer", "eth0", "netns", inner)
        network.inside(network.host, "ip", "link", "set", "vc0", "master", "br-test", "up")
        network.give(inner, "eth0", container)
        network.inside(inner, "ip", "route", "add", "default", "via", "172.18.0.1")
        network.inside(network.host, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        rewrite = f"add rule ip nat pre tcp dport {{ 8001, 8002 }} dnat to {container}"
        for command in (
            "add table ip nat",
            "add chain ip nat pre { type nat hook prerouting priority dstnat; }",
            rewrite,
        ):
            network.inside(network.host, "nft", command)
        network.load(ruleset)
        with network.listening(inner, 8001, 8002):
            assert network.answering(network.neighbour, caller, network.address, 8001, 8002) == {8001}
            assert network.answering(network.neighbour, STRANGER, network.address, 8001, 8002) == set()
    finally:
        _ip("netns", "delete", inner)
