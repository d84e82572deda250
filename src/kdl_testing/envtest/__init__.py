"""A real Kubernetes control plane for tests: etcd, kube-apiserver and what else is asked for, ready in seconds.

    with ControlPlane(ControlPlaneOptions(crds=[Path("crds")])) as plane:
        subprocess.run(["kubectl", "get", "ns"], env={"KUBECONFIG": str(plane.kubeconfig)}, check=True)
        config = load_config(str(plane.user("alice", groups=["dev"])))     # for the runtime's HttpTransport
        plane.processes["kube-apiserver"].restart()

``components`` adds controllers, a scheduler and fake nodes: ``CONTROLLERS``, ``FAKE_CLUSTER``. ``running()`` is the
same ``with`` block, but honours ``USE_EXISTING_CLUSTER``. With ``pytest_plugins = ["kdl_testing.pytest_plugin"]``
pytest has the fixture ``real_control_plane``. Calls block: coroutines use
``await asyncio.to_thread(plane.user, "alice")``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdl_testing.envtest.cluster import Cluster
    from kdl_testing.envtest.control_plane import ControlPlane
    from kdl_testing.envtest.crds import CrdError
    from kdl_testing.envtest.existing import ExistingCluster, running
    from kdl_testing.envtest.fake_nodes import FakeNodes, FakeNodesError
    from kdl_testing.envtest.options import API, CONTROLLERS, FAKE_CLUSTER, ControlPlaneOptions
    from kdl_testing.envtest.process import Process, ProcessError, Program
    from kdl_testing.envtest.users import ServiceAccount
    from kdl_testing.envtest.webhooks import WebhookEndpoint

_MODULES = {
    "API": "options",
    "CONTROLLERS": "options",
    "Cluster": "cluster",
    "ControlPlane": "control_plane",
    "ControlPlaneOptions": "options",
    "CrdError": "crds",
    "ExistingCluster": "existing",
    "FAKE_CLUSTER": "options",
    "FakeNodes": "fake_nodes",
    "FakeNodesError": "fake_nodes",
    "Process": "process",
    "ProcessError": "process",
    "Program": "process",
    "ServiceAccount": "users",
    "WebhookEndpoint": "webhooks",
    "running": "existing",
}

__all__ = [
    "API",
    "CONTROLLERS",
    "FAKE_CLUSTER",
    "Cluster",
    "ControlPlane",
    "ControlPlaneOptions",
    "CrdError",
    "ExistingCluster",
    "FakeNodes",
    "FakeNodesError",
    "Process",
    "ProcessError",
    "Program",
    "ServiceAccount",
    "WebhookEndpoint",
    "running",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
