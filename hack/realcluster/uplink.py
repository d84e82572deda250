"""The connection between the cluster and the machine: a pair of interfaces, and the machine's routes to the cluster.

Nothing else of the machine's network is changed.
"""

import os
from ipaddress import IPv4Network
from pathlib import Path

from realcluster.commands import Given, batch, run
from realcluster.errors import ClusterError
from realcluster.network import Network, free, taken_networks
from realcluster.sandbox import BRIDGE, control_plane_links

_INSIDE = "machine"
_EXISTS = "File exists"


def connect(machine: int, owner: str) -> Network:
    """Chooses free addresses and makes the connection. ``machine`` is a descriptor of the machine's network namespace;
    this process is in the cluster's. ``owner`` is written to the machine's interface. ClusterError."""
    on_machine = ["nsenter", f"--net=/proc/self/fd/{machine}", "--"]
    network = _claim(on_machine, machine)
    for name, value in (("ip_forward", "1"), ("conf/all/send_redirects", "0"), ("conf/default/send_redirects", "0")):
        Path("/proc/sys/net/ipv4", name).write_text(value)
    batch([*control_plane_links(network), f"link set {_INSIDE} master {BRIDGE}", f"link set {_INSIDE} up"])
    batch(machine_links(network, owner), on_machine, (machine,))
    return network


def machine_links(network: Network, owner: str) -> list[str]:
    """Commands of ``ip`` on the machine. Pure."""
    return [
        f"address add {network.machine}/{network.prefix} dev {network.link}",
        f"link set {network.link} alias {owner} up",
        f"route add {network.pods} via {network.control_plane}",
    ]


def _claim(on_machine: list[str], machine: int) -> Network:
    """The first block whose interface could be made: another cluster may want the same one at the same time."""
    routes = run([*on_machine, "ip", "-json", "-4", "route", "show", "table", "all"], Given(descriptors=(machine,)))
    addresses = run([*on_machine, "ip", "-json", "-4", "address", "show"], Given(descriptors=(machine,)))
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        for network in free(taken_networks(routes, addresses)):
            peer = ["peer", "name", _INSIDE, "netns", f"/proc/self/fd/{own}"]
            try:
                run(
                    [*on_machine, "ip", "link", "add", network.link, "type", "veth", *peer],
                    Given(descriptors=(machine, own)),
                )
            except ClusterError as error:
                if _EXISTS not in str(error):
                    raise
            else:
                return network
    finally:
        os.close(own)
    raise ClusterError(
        "every block of addresses that a cluster could have is taken by routes or addresses of this machine. Way out: "
        "stop other clusters ('hack/cluster down --all'), or free one of 10.200.0.0/16 to 10.249.0.0/16"
    )


def remove(block: str, owner: str) -> None:
    """Removes the machine's interface, and with it the routes, if it still is the owner's. ``block`` is empty if there
    was none yet. ClusterError.

    The kernel would remove it with the cluster's network, but only when the last connections that ended processes have
    left in it time out.
    """
    if not block:
        return
    link = Network(IPv4Network(block)).link
    if _owner(link) != owner:
        return
    try:
        run(["ip", "link", "delete", link])
    except ClusterError:
        # The kernel may have been faster.
        if _owner(link) == owner:
            raise


def _owner(link: str) -> str:
    try:
        return Path("/sys/class/net", link, "ifalias").read_text().strip()
    except OSError:
        return ""
