"""The servers on which the suite runs, as it knows them by KDL_CONFORMANCE_SERVER."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kdl_testing.envtest import API, FAKE_CLUSTER, ControlPlane, ControlPlaneOptions

CRDS = Path(__file__).parents[2] / "deploy" / "crds"

LOCAL, REAL, REAL_API = "local", "real", "real-api"

TITLES = {
    LOCAL: "the local cluster",
    REAL: "kube-apiserver with controllers",
    REAL_API: "kube-apiserver alone",
}


@contextmanager
def environment(kind: str) -> Iterator[Mapping[str, str]]:
    """The variables for pytest while the server runs; each worker starts a local cluster of its own."""
    chosen = {"KDL_CONFORMANCE_SERVER": kind}
    if kind == LOCAL:
        yield chosen
        return
    # Our CRDs beforehand: every worker of pytest applies them, and only one could create them.
    options = ControlPlaneOptions(components=FAKE_CLUSTER if kind == REAL else API, crds=[CRDS])
    with ControlPlane(options) as plane:
        if kind == REAL:
            plane.create_fake_nodes(1)
        yield chosen | {"KDL_CONFORMANCE_KUBECONFIG": str(plane.kubeconfig)}
