"""Loopback addresses for pods: each pod of a process node has one of its own, out of 127.64.0.0/10."""

from collections import deque
from ipaddress import IPv4Address, IPv4Network

POD_NETWORK = IPv4Network("127.64.0.0/10")

HOLD_BACK = 256
"""So many other addresses are given out before one that was released is given out again, so that whoever still has an
old pod's address does not reach a new pod with it."""


class AddressPool:
    """Hands out the addresses of a network in order, without its first and last one."""

    def __init__(self, network: IPv4Network = POD_NETWORK) -> None:
        self._network = network
        self._next = 1
        self._released: deque[int] = deque()
        self._taken: set[int] = set()

    def take(self) -> str:
        """RuntimeError when every address is taken."""
        fresh = self._next < self._network.num_addresses - 1
        if len(self._released) > HOLD_BACK or (not fresh and self._released):
            offset = self._released.popleft()
        elif fresh:
            offset, self._next = self._next, self._next + 1
        else:
            raise RuntimeError(f"every pod address in {self._network} is taken: delete some pods")
        self._taken.add(offset)
        return str(self._network[offset])

    def release(self, address: str) -> None:
        offset = int(IPv4Address(address)) - int(self._network.network_address)
        if offset in self._taken:
            self._taken.discard(offset)
            self._released.append(offset)
