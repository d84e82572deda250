"""What components are started with, with which certificates, and the kubeconfigs that lead to them. Nothing runs."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from kdl_local.apiserver.certificates import KeyPair
from kdl_runtime.codec import yaml
from kdl_runtime.transport.config import ClusterConfig, ExecConfig, Impersonation, Source, UserConfig
from kdl_runtime.transport.kubeconfig import load_files
from kdl_testing.envtest import components, users
from kdl_testing.envtest.certificates import Credentials, prepare, server_hosts
from kdl_testing.envtest.components import Place
from kdl_testing.envtest.existing import ExistingCluster, wants_existing
from kdl_testing.envtest.options import API, CONTROLLERS, FAKE_CLUSTER, ORDER, ControlPlaneOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return prepare(tmp_path_factory.mktemp("certificates"), ("127.0.0.1",), NOW)


def flags(name: str, credentials: Credentials, **options: Any) -> dict[str, str]:
    place = Place(credentials, 4321, Path("/k"), Path("/c"))
    command = components.argv(name, Path("/bin/x"), ControlPlaneOptions(**options), place)
    assert command[0] == "/bin/x"
    pairs = [argument.removeprefix("--").split("=", 1) for argument in command[1:]]
    found = {pair[0]: pair[1] for pair in pairs}
    assert len(found) == len(pairs)
    return found


# ---- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": ("etcd", "kube-apiserver", "kubelet")}, "no component 'kubelet'"),
        ({"components": ("etcd",)}, "needs etcd and kube-apiserver|needs kube-apiserver"),
        ({"extra_args": {"kube-api-server": ["--v=5"]}}, "no component 'kube-api-server'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ControlPlaneOptions(**options)


# ---- command lines


def test_the_api_server_alone_takes_pods_without_service_accounts(credentials: Credentials) -> None:
    assert flags("kube-apiserver", credentials, components=API)["disable-admission-plugins"] == "ServiceAccount"
    assert "disable-admission-plugins" not in flags("kube-apiserver", credentials, components=CONTROLLERS)


@pytest.mark.parametrize(
    ("advertised", "expected"),
    [("", ("127.0.0.1", "none")), ("127.0.0.2", ("127.0.0.2", "none")), ("10.1.2.3", ("10.1.2.3", None))],
)
def test_a_loopback_address_is_no_endpoint_of_a_service(
    credentials: Credentials, advertised: str, expected: tuple[str, str | None]
) -> None:
    found = flags("kube-apiserver", credentials, advertise_address=advertised)
    assert (found["advertise-address"], found.get("endpoint-reconciler-type")) == expected


def test_where_the_api_server_listens(credentials: Credentials) -> None:
    found = flags("kube-apiserver", credentials, bind_address="0.0.0.0")
    assert (found["bind-address"], found["secure-port"], found["authorization-mode"]) == (
        "0.0.0.0",
        "4321",
        "Node,RBAC",
    )


def test_an_extra_argument_replaces_the_default(credentials: Credentials) -> None:
    extra = {"kube-apiserver": ["--authorization-mode=AlwaysAllow", "--v=4"]}
    found = flags("kube-apiserver", credentials, extra_args=extra)
    assert (found["authorization-mode"], found["v"]) == ("AlwaysAllow", "4")
    assert "v" not in flags("etcd", credentials, extra_args=extra)


def test_nodes_get_addresses_for_pods_where_there_are_some(credentials: Credentials) -> None:
    without = flags("kube-controller-manager", credentials)
    assert "cluster-cidr" not in without
    found = flags("kube-controller-manager", credentials, cluster_cidr="10.244.0.0/16", service_cidr="10.97.0.0/16")
    assert (found["allocate-node-cidrs"], found["cluster-cidr"]) == ("true", "10.244.0.0/16")
    assert found["service-cluster-ip-range"] == "10.97.0.0/16"


def test_every_component_has_a_command_line_and_its_own_port(credentials: Credentials) -> None:
    for name in ORDER:
        values = flags(name, credentials, components=FAKE_CLUSTER).values()
        assert any("4321" in value for value in values) == (name != "etcd")


def test_only_clients_have_users() -> None:
    assert set(components.users(FAKE_CLUSTER)) == {"kube-controller-manager", "kube-scheduler", "kwok"}
    assert components.users(API) == {}


# ---- certificates


def test_the_api_server_is_known_by_all_its_names() -> None:
    options = ControlPlaneOptions(bind_address="0.0.0.0", advertise_address="10.9.8.7", service_cidr="10.97.0.0/16")
    hosts = server_hosts(replace(options, hosts=["k"]))
    assert {"127.0.0.1", "localhost", "10.9.8.7", "kubernetes.default.svc", "10.97.0.1", "k"} <= set(hosts)
    assert "0.0.0.0" not in hosts
    assert len(hosts) == len(set(hosts))


def test_certificates_are_for_their_owner_and_stay(tmp_path: Path) -> None:
    first = prepare(tmp_path / "c", ("127.0.0.1",), NOW)
    files = list((tmp_path / "c").iterdir())
    assert len(files) == 6
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    tokens = first.tokens_key.read_bytes()
    again = prepare(tmp_path / "c", ("127.0.0.1", "10.9.8.7"), NOW)
    assert again.authority.certificate == first.authority.certificate
    assert again.tokens_key.read_bytes() == tokens
    server = x509.load_pem_x509_certificate(again.server_certificate.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ip_address("10.9.8.7") in names.get_values_for_type(x509.IPAddress)
    issuer = x509.load_pem_x509_certificate(again.authority_certificate.read_bytes())
    server.verify_directly_issued_by(issuer)
    assert server.not_valid_before_utc < NOW < server.not_valid_after_utc


def test_the_server_s_pair_and_the_key_of_tokens_can_be_used(credentials: Credentials) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.server_certificate, credentials.server_key)
    private = load_pem_private_key(credentials.tokens_key.read_bytes(), None)
    public = load_pem_public_key(credentials.tokens_public_key.read_bytes())
    assert private.public_key() == public


# ---- kubeconfigs


@pytest.mark.parametrize(
    "user",
    [
        UserConfig(client_certificate=Source(b"certificate"), client_key=Source(b"key")),
        UserConfig(token="secret"),
        UserConfig(token="secret", impersonate=Impersonation(user="alice", groups=("dev", "ops"))),
        UserConfig(
            exec=ExecConfig("login", "client.authentication.k8s.io/v1", ("--now",), (("A", "b"),), "install it", True)
        ),
    ],
)
def test_a_kubeconfig_reads_as_what_was_written(tmp_path: Path, user: UserConfig) -> None:
    config = ClusterConfig("https://127.0.0.1:6443", namespace="team", ca=Source(b"authority"), user=user)
    path = users.write(tmp_path / "x" / "kubeconfig", config)
    assert path.stat().st_mode & 0o777 == 0o600
    read = load_files([path])
    assert (read.server, read.namespace, read.ca.read(), read.user) == (config.server, "team", b"authority", user)


def test_another_user_has_none_of_the_administrator_s_credentials() -> None:
    config = ClusterConfig("https://x", user=UserConfig(token="admin"))
    authority = users.with_certificate(config, KeyPair(b"c", b"k"))
    assert authority.user.token == ""


@pytest.mark.parametrize("seconds", [0, 599, 10**9])
def test_how_long_a_token_can_be_valid(seconds: int) -> None:
    with pytest.raises(ValueError, match="600 to"):
        users.ServiceAccount("default", "a", seconds)


# ---- the existing cluster


@pytest.mark.parametrize(
    ("value", "expected"), [("", False), ("false", False), ("0", False), ("true", True), ("True", True), ("1", True)]
)
def test_when_the_existing_cluster_is_used(value: str, expected: bool) -> None:
    assert wants_existing({"USE_EXISTING_CLUSTER": value}) is expected


def test_a_value_that_says_neither() -> None:
    with pytest.raises(ValueError, match="USE_EXISTING_CLUSTER is 'maybe'"):
        wants_existing({"USE_EXISTING_CLUSTER": "maybe"})


def test_users_of_an_existing_cluster_are_impersonated(tmp_path: Path) -> None:
    given = users.write(tmp_path / "given", ClusterConfig("https://there:6443", user=UserConfig(token="admin")))
    with ExistingCluster(given) as cluster:
        assert cluster.url == "https://there:6443"
        assert load_files([cluster.kubeconfig]).user.token == "admin"
        alice, bob = cluster.user("alice", ["dev"]), cluster.user("bob")
        document = yaml.decode(alice.read_text())
        assert document["users"][0]["user"] == {"token": "admin", "as": "alice", "as-groups": ["dev"]}
        assert alice.stat().st_mode & 0o777 == 0o600
    assert not alice.exists()
    assert not bob.exists()
    with pytest.raises(RuntimeError, match="outside of its with block"):
        cluster.user("carol")
