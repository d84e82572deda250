from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from kdl_local.node.addresses import HOLD_BACK, POD_NETWORKS, AddressPool
from kdl_runtime.errors import KdlError

NETWORK = IPv4Network("127.64.0.0/16")


@pytest.fixture
def claimed() -> Iterator[list[AddressPool]]:
    pools = [AddressPool(), AddressPool()]
    yield pools
    for pool in pools:
        pool.close()


def test_addresses_are_used_again_late() -> None:
    pool = AddressPool(NETWORK)
    assert [pool.take(), pool.take()] == ["127.64.0.1", "127.64.0.2"]
    pool.release("127.64.0.1")
    assert "127.64.0.1" not in [pool.take() for _ in range(HOLD_BACK)]
    for number in range(3, 3 + HOLD_BACK):
        pool.release(f"127.64.{number // 256}.{number % 256}")
    assert pool.take() == "127.64.0.1"


def test_releasing_twice_gives_an_address_only_once() -> None:
    pool = AddressPool(NETWORK)
    address = pool.take()
    pool.release(address)
    pool.release(address)
    assert len({pool.take() for _ in range(HOLD_BACK + 10)}) == HOLD_BACK + 10


def test_a_network_may_be_used_up() -> None:
    pool = AddressPool(IPv4Network("127.64.0.0/30"))
    assert [pool.take(), pool.take()] == ["127.64.0.1", "127.64.0.2"]
    with pytest.raises(KdlError, match=r"127\.64\.0\.0/30 is taken: delete some pods"):
        pool.take()
    pool.release("127.64.0.1")
    assert pool.take() == "127.64.0.1"


def test_two_nodes_of_a_machine_have_different_networks(claimed: list[AddressPool]) -> None:
    first, second = (IPv4Network(f"{pool.take()}/16", strict=False) for pool in claimed)
    assert first != second
    assert all(network.subnet_of(POD_NETWORKS) for network in (first, second))


def test_addresses_may_begin_anywhere_and_go_round() -> None:
    pool = AddressPool(IPv4Network("127.64.0.0/29"), skip=4)
    taken = [pool.take() for _ in range(6)]
    assert taken[:3] == ["127.64.0.5", "127.64.0.6", "127.64.0.1"]
    assert len(set(taken)) == 6
    with pytest.raises(KdlError, match="is taken"):
        pool.take()
