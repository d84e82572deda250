"""What every new cluster has in it."""

from kdl_local.apiserver.admission import NAMESPACES, PRIORITY_CLASSES
from kdl_local.apiserver.direct import Direct

_PRIORITIES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


def bootstrap(direct: Direct) -> None:
    """Creates the system's namespaces and priority classes in an empty store."""
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        direct.create(NAMESPACES, {"metadata": {"name": name}})
    for name, (value, description) in _PRIORITIES.items():
        direct.create(
            PRIORITY_CLASSES,
            {"metadata": {"name": name}, "value": value, "globalDefault": False, "description": description},
        )
