"""What `kubectl apply -k deploy` installs."""

import random
from pathlib import Path
from typing import Any

import click
import pytest

from imagebuild.catalog import images, install_requires
from kdl_cli.commands.operator import command
from kdl_local.apiserver.server import ApiServer
from kdl_runtime.client.client import Client
from kdl_runtime.client.options import WriteOptions
from kdl_runtime.clock import LoopClock
from kdl_runtime.resources.registry import CRDS, NAMESPACES, SERVICES
from kdl_runtime.types import Resource, parse_api_version
from kdl_testing.direct import DirectTransport
from kdl_workloads.api.definitions import KUBERNETES_VERSION
from kdl_workloads.crds import all_crds
from unit.deploy.manifests import DEPLOY, GROUP, Object, built, only
from unit.kdl_workloads.operator.cluster import START, on_virtual_time

pytestmark = GROUP
NAMESPACE = "kdl-system"
NAME = "kdl-operator"


def pod_spec(directory: Path = DEPLOY) -> dict[str, Any]:
    spec: dict[str, Any] = only(built(directory), "Deployment", NAME)["spec"]["template"]["spec"]
    return spec


def container(directory: Path = DEPLOY) -> dict[str, Any]:
    [found] = pod_spec(directory)["containers"]
    return dict(found)


def test_every_crd_is_installed() -> None:
    found = [item["metadata"]["name"] for item in built(DEPLOY) if item["kind"] == "CustomResourceDefinition"]
    assert sorted(found) == [crd["metadata"]["name"] for crd in all_crds()]


def test_namespaced_objects_are_in_the_namespace() -> None:
    cluster_wide = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Namespace"}
    assert only(built(DEPLOY), "Namespace", NAMESPACE)
    for item in built(DEPLOY):
        expected = None if item["kind"] in cluster_wide else NAMESPACE
        assert item["metadata"].get("namespace") == expected, (item["kind"], item["metadata"]["name"])


def test_the_pod_is_confined() -> None:
    pod, security = pod_spec(), container()["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["serviceAccountName"] == NAME
    assert (
        only(built(DEPLOY), "Namespace", NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    assert container()["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_image_is_the_one_that_is_built_and_its_user_the_same() -> None:
    image = images()["operator"]
    assert container()["image"] == image.reference
    user = pod_spec()["securityContext"]
    assert image.settings.user == f"{user['runAsUser']}:{user['runAsGroup']}"


@pytest.mark.parametrize("directory", [DEPLOY, DEPLOY / "namespaced"], ids=lambda path: path.name)
def test_the_arguments_are_flags_of_the_operator(directory: Path) -> None:
    with click.Context(command) as context:
        command.parse_args(context, list(container(directory)["args"]))
    assert context.params["leader_elect"]
    assert context.params["namespaces"] == (() if directory == DEPLOY else ("team-a",))
    assert context.params["graceful_shutdown_timeout"] < pod_spec()["terminationGracePeriodSeconds"]


def test_the_probes_and_the_service_find_the_ports_that_the_operator_opens() -> None:
    with click.Context(command) as context:
        command.parse_args(context, list(container()["args"]))
    ports = {port["name"]: f":{port['containerPort']}" for port in container()["ports"]}
    assert ports == {
        "metrics": context.params["metrics_bind_address"],
        "health": context.params["health_probe_bind_address"],
    }
    probes = {name: container()[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")}
    assert probes == {
        "livenessProbe": {"path": "/healthz", "port": "health"},
        "readinessProbe": {"path": "/readyz", "port": "health"},
    }
    service = only(built(DEPLOY), "Service", f"{NAME}-metrics")["spec"]
    assert [port["targetPort"] for port in service["ports"]] == ["metrics"]
    labels = only(built(DEPLOY), "Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


def test_bindings_name_roles_and_accounts_that_are_there() -> None:
    for directory in (DEPLOY, DEPLOY / "namespaced"):
        objects = built(directory)
        bindings = [item for item in objects if item["kind"] in ("RoleBinding", "ClusterRoleBinding")]
        assert len(bindings) > 1
        for binding in bindings:
            assert only(objects, binding["roleRef"]["kind"], binding["roleRef"]["name"])
            for subject in binding["subjects"]:
                assert only(objects, subject["kind"], subject["name"], subject["namespace"])


def test_an_operator_of_one_namespace_is_bound_to_it() -> None:
    found = {
        (item["kind"], item["roleRef"]["name"], item["metadata"].get("namespace"))
        for item in built(DEPLOY / "namespaced")
        if item["kind"] in ("RoleBinding", "ClusterRoleBinding")
    }
    assert found == {
        ("ClusterRoleBinding", "kdl-operator-nodes", None),
        ("RoleBinding", NAME, "team-a"),
        ("RoleBinding", NAME, NAMESPACE),
    }


@on_virtual_time
async def test_a_server_takes_them_strictly() -> None:
    """All but the Deployment, which the local API server does not know."""
    clock = LoopClock(START)
    server = ApiServer(clock, random.Random(1))
    client = Client(DirectTransport(server), clock)
    plurals = {"Namespace": NAMESPACES, "CustomResourceDefinition": CRDS, "Service": SERVICES}
    for item in built(DEPLOY):
        if item["kind"] != "Deployment":
            resource = plurals.get(item["kind"]) or generic(item)
            stored = await client.create(resource, item, WriteOptions(field_validation="Strict"))
            assert stored["metadata"]["uid"]


def generic(item: Object) -> Resource:
    group, version = parse_api_version(item["apiVersion"])
    kind = item["kind"]
    return Resource(group, version, kind, f"{kind.lower()}s", namespaced="namespace" in item["metadata"])


def test_the_dockerfile_makes_the_same_image() -> None:
    """As far as it can be read: user, program, and which schemas are kept."""
    text = (DEPLOY / "Dockerfile").read_text()
    settings = images()["operator"].settings
    assert f"USER {settings.user}\n" in text
    assert "ENTRYPOINT [" + ", ".join(f'"{word}"' for word in settings.entrypoint) + "]" in text
    assert f"! -name 'v{KUBERNETES_VERSION}.*'" in text
    assert "pyyaml>=6" in install_requires(DEPLOY.parent)
    for name, value in settings.labels.items():
        assert f'{name}="{value}"' in text
