"""The component that protects metrics, alone and beside the one for the Prometheus operator."""

import subprocess
from pathlib import Path

import click
import pytest

from kdl_cli.commands.operator import command
from kdl_runtime.codec import yaml
from unit.deploy.manifests import DEPLOY, KUBECTL, Object, only, rules


def with_components(directory: Path, *names: str) -> list[Object]:
    """As a kustomization of one's own would be, beside the manifests."""
    text = {"resources": ["../deploy"], "components": [f"../deploy/{name}" for name in names]}
    (directory / "own").mkdir()
    (directory / "own" / "kustomization.yaml").write_text(yaml.encode(text))
    (directory / "deploy").symlink_to(DEPLOY)
    done = subprocess.run(
        [KUBECTL, "kustomize", directory / "own", "--load-restrictor", "LoadRestrictionsNone"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [dict(item) for item in yaml.decode_all(done.stdout)]


@pytest.mark.parametrize("components", [["secure-metrics"], ["monitoring", "secure-metrics"]], ids=" ".join)
def test_port_flags_and_service_agree(components: list[str], tmp_path: Path) -> None:
    objects = with_components(tmp_path, *components)
    [container] = only(objects, "Deployment", "kdl-operator")["spec"]["template"]["spec"]["containers"]
    with click.Context(command) as context:
        command.parse_args(context, list(container["args"]))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert context.params["metrics_secure"]
    assert context.params["metrics_bind_address"] == f":{ports['metrics']}"
    [port] = only(objects, "Service", "kdl-operator-metrics")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (ports["metrics"], "metrics")


def test_prometheus_is_told(tmp_path: Path) -> None:
    monitor = only(with_components(tmp_path, "monitoring", "secure-metrics"), "ServiceMonitor", "kdl-operator")
    [endpoint] = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("metrics", "https")
    assert endpoint["bearerTokenFile"].startswith("/var/run/secrets/")


def test_rights_are_those_that_are_asked_for(tmp_path: Path) -> None:
    objects = with_components(tmp_path, "secure-metrics")
    assert [
        (rule["resources"], rule["verbs"]) for rule in rules(objects, "ClusterRole", "kdl-operator-metrics-auth")
    ] == [
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
    ]
    assert rules(objects, "ClusterRole", "kdl-metrics-reader") == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    binding = only(objects, "ClusterRoleBinding", "kdl-operator-metrics-auth")
    assert binding["roleRef"]["name"] == "kdl-operator-metrics-auth"
    [subject] = binding["subjects"]
    assert only(objects, "ServiceAccount", subject["name"], subject["namespace"])
