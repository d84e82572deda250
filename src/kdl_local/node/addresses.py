"""Loopback addresses for pods: each pod of a process node has one of its own.

All clusters of a machine share its loopback interface, and their pods use the same ports. Each node therefore takes a
/16 of 127.64.0.0/10 for itself. What marks it as taken is a socket in Linux' abstract namespace: like the addresses it
belongs to the network namespace, and it is gone with the process, however that ends.
"""

import socket
from collections import deque
from ipaddress import IPv4Address, IPv4Network

from kdl_runtime.errors import KdlError

POD_NETWORKS = IPv4Network("127.64.0.0/10")
PREFIX = 16

HOLD_BACK = 256
"""So many other addresses are given out before one that was released is given out again, so that whoever still has an
old pod's address does not reach a new pod with it."""


class AddressPool:
    """Hands out the addresses of a network in order, without its first and last one.

    ``network`` None takes one that no other node of this machine has, with the first address. ``close`` gives it back.
    ``skip``: how far into the network the first address is. A cluster that is started anew should begin elsewhere than
    the one before it: for a minute no socket may listen where connections of the earlier one had been (TIME_WAIT).
    """

    def __init__(self, network: IPv4Network | None = None, skip: int = 0) -> None:
        self._network = network
        self._skip = skip
        self._claim: socket.socket | None = None
        self._given = 0
        self._released: deque[int] = deque()
        self._taken: set[int] = set()

    def take(self) -> str:
        """KdlError when every address, or every network, is taken."""
        if self._network is None:
            self._network, self._claim = _claim_network()
        usable = self._network.num_addresses - 2
        fresh = self._given < usable
        if len(self._released) > HOLD_BACK or (not fresh and self._released):
            offset = self._released.popleft()
        elif fresh:
            offset = 1 + (self._skip + self._given) % usable
            self._given += 1
        else:
            raise KdlError(f"every pod address in {self._network} is taken: delete some pods")
        self._taken.add(offset)
        return str(self._network[offset])

    def release(self, address: str) -> None:
        if self._network is None:
            return
        offset = int(IPv4Address(address)) - int(self._network.network_address)
        if offset in self._taken:
            self._taken.discard(offset)
            self._released.append(offset)

    def close(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None


def _claim_network() -> tuple[IPv4Network, socket.socket]:
    for network in POD_NETWORKS.subnets(new_prefix=PREFIX):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0kdl-pod-network/{network}")
        except OSError:
            claim.close()
        else:
            return network, claim
    raise KdlError(
        f"every pod network in {POD_NETWORKS} is taken: stop other clusters (kdl local status, kdl local down)"
    )
