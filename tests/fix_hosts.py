"""Fixtures for several hosts on one machine: network namespaces on a bridge, whose cable can be cut without a word.

The bridge is the host on which the servers are; each listens on 127.0.0.1 and is reached through a proxy.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.fix_proxy import FaultProxy

TOOLS = ("ip", "nft")
SYSTEM_FOLDERS = "/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with one address."""

    name: str

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that runs `arguments` on this host."""
        return ("ip", "netns", "exec", self.name, *arguments)

    def cut_off(self) -> None:
        """Drop every packet from and to this host; nobody is told."""
        rules = (
            "add table inet drill\n"
            "add chain inet drill in { type filter hook input priority 0; policy drop; }\n"
            "add chain inet drill out { type filter hook output priority 0; policy drop; }\n"
            "add rule inet drill in iif lo accept\n"
            "add rule inet drill out oif lo accept\n"
        )
        subprocess.run(self.command("nft", "-f", "-"), input=rules, text=True, check=True)

    def heal(self) -> None:
        """Let packets through again."""
        run(*self.command("nft", "delete", "table", "inet", "drill"))


class Network:
    """Hosts on a bridge."""

    def __init__(self) -> None:
        self._tag = secrets.token_hex(3)
        self._hosts: list[Host] = []
        self._proxies: list[FaultProxy] = []
        self._subnet = f"10.{77 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
        self.address = f"{self._subnet}.1"
        run("ip", "link", "add", self._bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/24", "dev", self._bridge)
        run("ip", "link", "set", self._bridge, "up")

    @property
    def _bridge(self) -> str:
        return f"drill{self._tag}"

    def host(self) -> Host:
        """A new host, which reaches the bridge and nothing else."""
        number = len(self._hosts) + 2
        host = Host(f"drill-{self._tag}-{number}")
        run("ip", "netns", "add", host.name)
        self._hosts.append(host)
        ours, theirs = f"d{self._tag}{number}", f"e{self._tag}{number}"
        run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", host.name)
        run("ip", "link", "set", ours, "master", self._bridge, "up")
        run("ip", "-n", host.name, "address", "add", f"{self._subnet}.{number}/24", "dev", theirs)
        run("ip", "-n", host.name, "link", "set", theirs, "up")
        run("ip", "-n", host.name, "link", "set", "lo", "up")
        return host

    def reach(self, url: str) -> str:
        """The URL under which hosts reach a server that listens on 127.0.0.1."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = FaultProxy((parts.hostname, parts.port), host=self.address)
        self._proxies.append(proxy)
        return proxy.address(url)

    def remove(self) -> None:
        """Take all of it away."""
        for proxy in self._proxies:
            proxy.close()
        for host in self._hosts:
            run("ip", "netns", "delete", host.name)
        run("ip", "link", "delete", self._bridge)


def run(*command: str) -> None:
    """Run a command. Raises CalledProcessError."""
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def network() -> Iterator[Network]:
    """A bridge for hosts; skips where namespaces cannot be made."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"network namespaces need root and {' and '.join(missing or TOOLS)}")
    try:
        network = Network()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield network
    network.remove()
