"""The command line of each component. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdl_testing.envtest.certificates import Credentials
from kdl_testing.envtest.options import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
    ControlPlaneOptions,
)

Flags = dict[str, str]

LOOPBACK = "127.0.0.1"
ETCD_SOCKET = "client:0"
"""A socket in the directory in which both programs run: etcd needs no port, and nobody else can reach it. The name has
to look like host and port."""

_ETCD_URL = f"unix://{ETCD_SOCKET}"
_ETCD_PEER_URL = "unix://peer:0"
ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one component runs: ``port`` is its own, ``kubeconfig`` what it reaches the API with, ``config`` a file
    of its own. What a component has no use for is not read."""

    credentials: Credentials
    port: int = 0
    kubeconfig: Path = Path()
    config: Path = Path()


def argv(name: str, binary: Path, options: ControlPlaneOptions, place: Place) -> list[str]:
    """The whole command of a component."""
    flags = _TABLES[name](options, place)
    extra = list(options.extra_args.get(name, ()))
    replaced = {flag_name(argument) for argument in extra}
    own = [f"--{flag}={value}" for flag, value in flags.items() if flag not in replaced]
    return [str(binary), *own, *extra]


def flag_name(argument: str) -> str:
    """Without dashes and value."""
    return argument.lstrip("-").split("=", 1)[0]


def _etcd(options: ControlPlaneOptions, place: Place) -> Flags:
    return {
        "name": "kdl",
        "data-dir": "etcd",
        "listen-client-urls": _ETCD_URL,
        "advertise-client-urls": _ETCD_URL,
        "listen-peer-urls": _ETCD_PEER_URL,
        "initial-advertise-peer-urls": _ETCD_PEER_URL,
        "initial-cluster": f"kdl={_ETCD_PEER_URL}",
        # Data outlives a killed process all the same, only not a crash of the machine.
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }


def _api_server(options: ControlPlaneOptions, place: Place) -> Flags:
    credentials = place.credentials
    flags = {
        "etcd-servers": _ETCD_URL,
        "bind-address": options.bind_address,
        "secure-port": str(place.port),
        "advertise-address": options.advertise_address or LOOPBACK,
        "tls-cert-file": str(credentials.server_certificate),
        "tls-private-key-file": str(credentials.server_key),
        "client-ca-file": str(credentials.authority_certificate),
        "service-account-key-file": str(credentials.tokens_public_key),
        "service-account-signing-key-file": str(credentials.tokens_key),
        "service-account-issuer": ISSUER,
        "service-cluster-ip-range": options.service_cidr,
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
        "profiling": "false",
    }
    if not _is_reachable(options.advertise_address):
        # The endpoints of the service "kubernetes" may not be loopback addresses.
        flags["endpoint-reconciler-type"] = "none"
    if CONTROLLER_MANAGER not in options.components:
        # It refuses pods until their service account is there, which nobody would make.
        flags["disable-admission-plugins"] = "ServiceAccount"
    return flags


def _controller_manager(options: ControlPlaneOptions, place: Place) -> Flags:
    credentials = place.credentials
    flags = _client_flags(place) | {
        "service-account-private-key-file": str(credentials.tokens_key),
        "root-ca-file": str(credentials.authority_certificate),
        "cluster-signing-cert-file": str(credentials.authority_certificate),
        "cluster-signing-key-file": str(credentials.authority_key),
        "use-service-account-credentials": "true",
    }
    if options.cluster_cidr:
        flags |= {
            "allocate-node-cidrs": "true",
            "cluster-cidr": options.cluster_cidr,
            "service-cluster-ip-range": options.service_cidr,
        }
    if KWOK in options.components:
        # A new node is fit for pods when this controller has seen it Ready; every 5 s by default.
        flags["node-monitor-period"] = "1s"
    return flags


def _scheduler(options: ControlPlaneOptions, place: Place) -> Flags:
    return _client_flags(place)


def _kwok(options: ControlPlaneOptions, place: Place) -> Flags:
    return {
        "kubeconfig": str(place.kubeconfig),
        "config": str(place.config),
        "server-address": f"{LOOPBACK}:{place.port}",
    }


def _client_flags(place: Place) -> Flags:
    """Of a component that has a port for its health only, and is alone."""
    return {
        "kubeconfig": str(place.kubeconfig),
        "authentication-kubeconfig": str(place.kubeconfig),
        "authorization-kubeconfig": str(place.kubeconfig),
        "bind-address": LOOPBACK,
        "secure-port": str(place.port),
        "tls-cert-file": str(place.credentials.server_certificate),
        "tls-private-key-file": str(place.credentials.server_key),
        "leader-elect": "false",
        "profiling": "false",
        # By default 20 requests a second, which hundreds of namespaces that are deleted use up for minutes.
        "kube-api-qps": "500",
        "kube-api-burst": "1000",
    }


def _is_reachable(address: str) -> bool:
    return bool(address) and not ipaddress.ip_address(address).is_loopback


_TABLES = {
    ETCD: _etcd,
    API_SERVER: _api_server,
    CONTROLLER_MANAGER: _controller_manager,
    SCHEDULER: _scheduler,
    KWOK: _kwok,
}


def users(components: Sequence[str]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """User and groups of each component that calls the API."""
    known: dict[str, tuple[str, tuple[str, ...]]] = {
        CONTROLLER_MANAGER: ("system:kube-controller-manager", ()),
        SCHEDULER: ("system:kube-scheduler", ()),
        # Nodes and pods of any kind of workload are its to play.
        KWOK: ("kwok", ("system:masters",)),
    }
    return {name: known[name] for name in components if name in known}
