"""The component that protects metrics, alone and beside the one for the Prometheus operator."""

import click
import pytest

from kdl_cli.commands.operator import command
from unit.deploy.manifests import GROUP, only, rules, with_components

pytestmark = GROUP


@pytest.mark.parametrize("components", [["secure-metrics"], ["monitoring", "secure-metrics"]], ids=" ".join)
def test_port_flags_and_service_agree(components: list[str]) -> None:
    objects = with_components(*components)
    [container] = only(objects, "Deployment", "kdl-operator")["spec"]["template"]["spec"]["containers"]
    with click.Context(command) as context:
        command.parse_args(context, list(container["args"]))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert context.params["metrics_secure"]
    assert context.params["metrics_bind_address"] == f":{ports['metrics']}"
    [port] = only(objects, "Service", "kdl-operator-metrics")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (ports["metrics"], "metrics")


def test_prometheus_is_told() -> None:
    monitor = only(with_components("monitoring", "secure-metrics"), "ServiceMonitor", "kdl-operator")
    [endpoint] = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("metrics", "https")
    assert endpoint["bearerTokenFile"].startswith("/var/run/secrets/")


def test_rights_are_those_that_are_asked_for() -> None:
    objects = with_components("secure-metrics")
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
