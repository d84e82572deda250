"""What a control plane is to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)
"""The order in which components start; they stop in the opposite one."""

API = (ETCD, API_SERVER)
"""The API alone, as Go's envtest has it: nothing acts on objects."""
CONTROLLERS = (*API, CONTROLLER_MANAGER)
"""With garbage collection, namespaces that go, service accounts, and Kubernetes' own workloads."""
FAKE_CLUSTER = ORDER
"""With a scheduler and with fake nodes: a cluster in which pods only seem to run."""


@dataclass(frozen=True, slots=True)
class ControlPlaneOptions:
    """Everything has a default that suits tests.

    - ``directory``: for data, certificates and logs. It is kept, and a control plane that is started in it again has
      the same objects and certificates. None: a temporary one that is removed.
    - ``bind_address``, ``port``: where the API server listens; port 0 is a free one. A port that is given and taken is
      an error.
    - ``advertise_address``: under which pods and other machines reach it, by default the bind address. It is in the
      certificate and, if it is not a loopback address, in the endpoints of the service ``kubernetes``.
    - ``hosts``: further names and addresses for the API server's certificate.
    - ``cluster_cidr``: the addresses of pods; with it the controller manager gives each node a part.
    - ``extra_args``: more flags by component, ``--name=value``. A flag replaces the one of that name that is passed
      by default.
    - ``crds``: files and directories to install before ``start`` returns.
    - ``start_timeout``: seconds that each component may take to become ready.
    """

    directory: Path | None = None
    components: Sequence[str] = API
    bind_address: str = "127.0.0.1"
    port: int = 0
    advertise_address: str = ""
    hosts: Sequence[str] = ()
    service_cidr: str = "10.96.0.0/16"
    cluster_cidr: str = ""
    extra_args: Mapping[str, Sequence[str]] = field(default_factory=dict)
    crds: Sequence[Path] = ()
    start_timeout: float = 60.0

    def __post_init__(self) -> None:
        for name in (*self.components, *self.extra_args):
            if name not in ORDER:
                raise ValueError(f"there is no component {name!r}: the known ones are {', '.join(ORDER)}")
        missing = [name for name in API if name not in self.components]
        if missing:
            raise ValueError(f"a control plane needs {' and '.join(missing)}: add it to components")
