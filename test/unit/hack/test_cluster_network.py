"""The addresses of a cluster of hack/cluster, and how free ones are found."""

import json
from ipaddress import IPv4Address, IPv4Network

import pytest

from realcluster.network import CANDIDATES, MAX_NODES, SERVICES, Network, free, taken_networks
from realcluster.sandbox import control_plane_links, node_links
from realcluster.uplink import machine_links

NETWORK = Network(IPv4Network("10.207.0.0/16"))


def test_addresses_of_machine_control_plane_and_nodes_share_a_network() -> None:
    assert str(NETWORK.machine) == "10.207.0.1"
    assert str(NETWORK.control_plane) == "10.207.0.2"
    assert [str(NETWORK.node(number)) for number in (1, 2)] == ["10.207.0.11", "10.207.0.12"]
    shared = IPv4Network(f"{NETWORK.machine}/{NETWORK.prefix}", strict=False)
    assert NETWORK.node(MAX_NODES) in shared
    assert not shared.overlaps(NETWORK.pods)


def test_every_node_has_pods_of_its_own_among_those_the_machine_has_a_route_to() -> None:
    parts = [NETWORK.pods_of(number) for number in range(1, MAX_NODES + 1)]
    assert str(parts[0]) == "10.207.129.0/24"
    assert all(part.subnet_of(NETWORK.pods) for part in parts)
    assert len(set(parts)) == MAX_NODES


def test_links_have_names_that_the_kernel_takes_and_that_tell_blocks_apart() -> None:
    links = [Network(block).link for block in CANDIDATES]
    assert len(set(links)) == len(CANDIDATES)
    assert max(map(len, links)) <= 15


def test_no_candidate_overlaps_another_or_the_services() -> None:
    for index, block in enumerate(CANDIDATES):
        assert not any(block.overlaps(other) for other in (*CANDIDATES[index + 1 :], SERVICES))


@pytest.mark.parametrize(
    ("routes", "addresses", "first"),
    [
        pytest.param([], [], "10.200.0.0/16", id="an empty machine"),
        pytest.param([{"dst": "default"}, {"dst": "0.0.0.0/0"}], [], "10.200.0.0/16", id="a default route"),
        pytest.param([{"dst": "10.200.128.0/17"}], [], "10.201.0.0/16", id="another cluster"),
        pytest.param([{"dst": "10.200.0.1"}], [], "10.201.0.0/16", id="a single address"),
        pytest.param([{"dst": "10.0.0.0/8"}], [], "172.20.0.0/16", id="a company's network"),
        pytest.param(
            [], [{"addr_info": [{"local": "10.200.7.7", "prefixlen": 24}]}], "10.201.0.0/16", id="an own address"
        ),
        pytest.param([], [{}, {"addr_info": []}], "10.200.0.0/16", id="interfaces without addresses"),
    ],
)
def test_the_first_free_block_is_chosen(routes: list[object], addresses: list[object], first: str) -> None:
    taken = taken_networks(json.dumps(routes), json.dumps(addresses))
    assert str(next(free(taken)).block) == first


def test_nothing_is_free_on_a_machine_that_routes_everything() -> None:
    taken = taken_networks(json.dumps([{"dst": "10.0.0.0/8"}, {"dst": "172.16.0.0/12"}]), "")
    assert list(free(taken)) == []


def test_machine_gets_one_address_and_one_route() -> None:
    assert machine_links(NETWORK, "kdl-x") == [
        "address add 10.207.0.1/24 dev kdl-10-207",
        "link set kdl-10-207 alias kdl-x up",
        "route add 10.207.128.0/17 via 10.207.0.2",
    ]


def test_the_address_of_the_api_service_is_the_control_planes() -> None:
    assert "address add 10.96.0.1/32 dev lo" in control_plane_links(NETWORK)
    assert "route add default via 10.207.0.2" in node_links(NETWORK, 1)
    assert IPv4Address("10.96.0.1") in SERVICES
