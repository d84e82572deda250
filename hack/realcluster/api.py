"""The control plane of the cluster: kdl_testing's, at addresses that nodes, pods and the machine can reach."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kdl_local.apiserver.kubeconfig import write_private
from kdl_testing.envtest.certificates import Credentials, prepare, server_hosts
from kdl_testing.envtest.control_plane import ControlPlane
from kdl_testing.envtest.options import API_SERVER, ControlPlaneOptions
from realcluster.layout import Layout
from realcluster.network import API_PORT, SERVICES, Network
from realcluster.plan import Plan


class Api:
    """Not started yet. ``authority``: the file with the certificate of its authority."""

    def __init__(self, layout: Layout, plan: Plan, network: Network) -> None:
        options = ControlPlaneOptions(
            directory=layout.control_plane,
            components=plan.control_plane,
            bind_address="0.0.0.0",
            advertise_address=str(network.control_plane),
            port=API_PORT,
            service_cidr=str(SERVICES),
            extra_args={API_SERVER: _api_server_flags(layout.control_plane / "certificates")},
        )
        credentials = prepare(layout.control_plane / "certificates", server_hosts(options), datetime.now(UTC))
        _write_kubelet_client(credentials)
        self.authority = credentials.authority_certificate
        self.control_plane = ControlPlane(options, lambda names: _found(plan))

    def kubeconfig_of_node(self, node: str) -> str:
        """With the rights that the API server gives to this node alone."""
        return self.control_plane.user(f"system:node:{node}", ("system:nodes",)).read_text()

    def kubeconfig_of_coredns(self) -> Path:
        return self.control_plane.user("system:coredns", ("system:masters",))


def _api_server_flags(certificates: Path) -> tuple[str, ...]:
    return (
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={certificates / _KUBELET_CLIENT}.crt",
        f"--kubelet-client-key={certificates / _KUBELET_CLIENT}.key",
        "--enable-admission-plugins=NodeRestriction",
        # Nothing leads from the address of a Service to its pods, so webhooks are called at the pods.
        "--enable-aggregator-routing=true",
    )


_KUBELET_CLIENT = "kubelet-client"
"""What the API server shows to kubelets, which let in only whom the cluster's authority has signed for."""


def _write_kubelet_client(credentials: Credentials) -> None:
    pair = credentials.authority.client("kube-apiserver-kubelet-client", ("system:masters",), datetime.now(UTC))
    directory = credentials.authority_certificate.parent
    write_private(directory / f"{_KUBELET_CLIENT}.crt", pair.certificate.decode())
    write_private(directory / f"{_KUBELET_CLIENT}.key", pair.key.decode())


def _found(plan: Plan) -> Mapping[str, Path]:
    return {name: Path(path) for name, path in plan.binaries.items()}
