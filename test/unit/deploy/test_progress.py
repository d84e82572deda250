"""The component by which pods can report their progress."""

from urllib.parse import urlsplit

import click

from kdl_cli.commands.operator import command
from kdl_workloads.progress.tokens import SECRET_NAME
from unit.deploy.manifests import DEPLOY, GROUP, built, only, rules, with_components

pytestmark = GROUP


def test_flags_port_service_and_url_agree() -> None:
    objects = with_components("monitoring", "secure-metrics", "progress")
    [container] = only(objects, "Deployment", "kdl-operator")["spec"]["template"]["spec"]["containers"]
    with click.Context(command) as context:
        command.parse_args(context, list(container["args"]))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert context.params["progress_bind_address"] == f":{ports['progress']}"
    service = only(objects, "Service", "kdl-operator-progress")
    [port] = service["spec"]["ports"]
    url = urlsplit(context.params["progress_url"])
    assert url.hostname == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert (port["port"], port["targetPort"]) == (url.port, "progress")
    labels = only(objects, "Deployment", "kdl-operator")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_the_only_secret_that_can_be_read_is_the_key() -> None:
    objects = with_components("progress")
    assert rules(objects, "Role", "kdl-operator-progress") == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET_NAME], "verbs": ["get"]},
    ]
    binding = only(objects, "RoleBinding", "kdl-operator-progress")
    [subject] = binding["subjects"]
    assert only(objects, "ServiceAccount", subject["name"], subject["namespace"])
    assert binding["metadata"]["namespace"] == "kdl-system"


def test_it_is_off_by_default() -> None:
    names = {item["metadata"]["name"] for item in built(DEPLOY)}
    assert "kdl-operator-progress" not in names
    with click.Context(command) as context:
        command.parse_args(context, [])
    assert context.params["progress_bind_address"] == "0"
