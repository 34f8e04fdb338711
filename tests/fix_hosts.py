"""Fixtures for several hosts on one machine: network namespaces on a bridge, whose cable can be cut without a word.

The bridge is the host on which the servers are; each listens on 127.0.0.1 and is reached through a proxy.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fix_proxy import FaultProxy

TOOLS = ("ip", "nft")
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
# What `ip netns exec` lays over /etc for those on a host of that name.
OWN_ETC = Path("/etc/netns")


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with one address."""

    name: str
    address: str

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
        _nft(rules, self)

    def heal(self) -> None:
        """Let packets through again."""
        run(*self.command("nft", "delete", "table", "inet", "drill"))

    def ask_names_of(self, *servers: str) -> None:
        """Have what is started on this host from now on ask for names at these addresses, at port 53."""
        own = OWN_ETC / self.name
        own.mkdir(parents=True, exist_ok=True)
        (own / "resolv.conf").write_text("".join(f"nameserver {server}\n" for server in servers))


class Network:
    """Hosts on a bridge."""

    def __init__(self) -> None:
        self._tag = secrets.token_hex(3)
        self._hosts: list[Host] = []
        self._proxies: list[FaultProxy] = []
        self._subnet = f"10.{77 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
        self.address = f"{self._subnet}.1"
        self._lossy = False
        run("ip", "link", "add", self._bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/24", "dev", self._bridge)
        run("ip", "link", "set", self._bridge, "up")

    @property
    def _bridge(self) -> str:
        return f"drill{self._tag}"

    def host(self) -> Host:
        """A new host, which reaches the bridge and nothing else."""
        number = len(self._hosts) + 2
        host = Host(f"drill-{self._tag}-{number}", f"{self._subnet}.{number}")
        run("ip", "netns", "add", host.name)
        self._hosts.append(host)
        ours, theirs = f"d{self._tag}{number}", f"e{self._tag}{number}"
        run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", host.name)
        run("ip", "link", "set", ours, "master", self._bridge, "up")
        run("ip", "-n", host.name, "address", "add", f"{host.address}/24", "dev", theirs)
        run("ip", "-n", host.name, "link", "set", theirs, "up")
        run("ip", "-n", host.name, "link", "set", "lo", "up")
        return host

    def reach(self, url: str) -> str:
        """The URL under which hosts reach a server that listens on 127.0.0.1."""
        return self.proxy(url).address(url)

    def proxy(self, url: str) -> FaultProxy:
        """What stands between hosts and a server that listens on 127.0.0.1."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = FaultProxy((parts.hostname, parts.port), host=self.address)
        self._proxies.append(proxy)
        return proxy

    def lose(self, percent: int, port: int) -> None:
        """Lose so many of the packets between all hosts and a port of the bridge, of both directions alike.

        Both are lost where they arrive: a sender that is told of its loss would behave otherwise.
        """
        lost = f"numgen random mod 100 < {percent} counter drop"
        _nft(_arriving(self._bridge, f"iifname {self._bridge} tcp dport {port} {lost}"))
        self._lossy = True
        for host in self._hosts:
            _nft(_arriving("drill", f"tcp sport {port} {lost}"), host)

    def lost(self) -> int:
        """How many packets `lose` has lost on the way to the bridge and on the ways back."""
        return _counted(("nft",), self._bridge) + sum(
            _counted(host.command("nft"), "drill") for host in self._hosts
        )

    def remove(self) -> None:
        """Take all of it away."""
        for proxy in self._proxies:
            proxy.close()
        for host in self._hosts:
            run("ip", "netns", "delete", host.name)
            shutil.rmtree(OWN_ETC / host.name, ignore_errors=True)
        if self._lossy:
            run("nft", "delete", "table", "inet", self._bridge)
        run("ip", "link", "delete", self._bridge)


def run(*command: str) -> str:
    """Run a command and return its output. Raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _arriving(table: str, rule: str) -> str:
    """A table of one rule about what arrives."""
    return (
        f"add table inet {table}\n"
        f"add chain inet {table} arriving {{ type filter hook input priority 0; }}\n"
        f"add rule inet {table} arriving {rule}\n"
    )


def _nft(rules: str, host: Host | None = None) -> None:
    command = ("nft", "-f", "-")
    subprocess.run(host.command(*command) if host else command, input=rules, text=True, check=True)


def _counted(nft: tuple[str, ...], table: str) -> int:
    listed = json.loads(run(*nft, "-j", "list", "table", "inet", table))["nftables"]
    expressions = [expression for entry in listed for expression in entry.get("rule", {}).get("expr", ())]
    return sum(expression["counter"]["packets"] for expression in expressions if "counter" in expression)


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
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    yield network
    network.remove()
