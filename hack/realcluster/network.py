"""The addresses of a cluster. Pure.

A cluster has a block of 65536 addresses. The first 256 are for the machine, the control plane and the nodes; the upper
half is for pods, 256 for each node. The block has to be free on the machine, for the machine gets routes to it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

SERVICES = IPv4Network("10.96.0.0/16")
"""Addresses of Services. Only that of the API server leads anywhere, and only from inside the cluster."""

API_SERVICE = SERVICES[1]
API_PORT = 443
DNS_PORT = 53
MAX_NODES = 16

CANDIDATES = tuple(IPv4Network(f"10.{octet}.0.0/16") for octet in range(200, 250)) + tuple(
    IPv4Network(f"172.{octet}.0.0/16") for octet in range(20, 32)
)
_FIRST_NODE = 10
_NODE_PODS = 128


@dataclass(frozen=True, slots=True)
class Network:
    """All addresses of a cluster. Nodes count from 1."""

    block: IPv4Network

    @property
    def machine(self) -> IPv4Address:
        """This machine, as the cluster sees it."""
        return self.block[1]

    @property
    def control_plane(self) -> IPv4Address:
        return self.block[2]

    def node(self, number: int) -> IPv4Address:
        return self.block[_FIRST_NODE + number]

    @property
    def prefix(self) -> int:
        """Of the network that machine, control plane and nodes share."""
        return 24

    @property
    def pods(self) -> IPv4Network:
        _, upper = self.block.subnets()
        return upper

    def pods_of(self, number: int) -> IPv4Network:
        return list(self.block.subnets(new_prefix=24))[_NODE_PODS + number]

    @property
    def link(self) -> str:
        """The machine's network interface. Whoever makes it owns the block: there can be one of that name only."""
        first, second = self.block.network_address.packed[:2]
        return f"kdl-{first}-{second}"


def free(taken: Sequence[IPv4Network]) -> Iterator[Network]:
    """The candidates that overlap nothing, in their order."""
    for block in CANDIDATES:
        if not any(block.overlaps(other) for other in taken):
            yield Network(block)


def taken_networks(routes: str, addresses: str) -> list[IPv4Network]:
    """What ``ip -json -4 route show table all`` and ``ip -json -4 address show`` name, without the default route."""
    found = []
    for route in json.loads(routes or "[]"):
        destination = route.get("dst", "default")
        if destination not in ("default", "0.0.0.0/0"):
            found.append(IPv4Network(destination, strict=False))
    for interface in json.loads(addresses or "[]"):
        for info in interface.get("addr_info", ()):
            if "local" in info:
                found.append(IPv4Network(f"{info['local']}/{info.get('prefixlen', 32)}", strict=False))
    return found
