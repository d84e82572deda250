"""Pod templates against the schema of Kubernetes."""

from typing import Any

import pytest

from kdl_workloads.api.podtemplate import claim_errors, template_errors, validator


def template(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "train", "image": "i", **(container or {})}], **spec}}


GOOD = {
    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "resources": {"limits": {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": "1"}},
    "livenessProbe": {"httpGet": {"port": "web"}},
    "readinessProbe": {"httpGet": {"port": 80}},
    "ports": [{"name": "web", "containerPort": 80}],
    "command": None,
}


@pytest.mark.parametrize(
    "good",
    [
        template(),
        template(GOOD),
        template(nodeSelector={"gpu": "yes"}, tolerations=[{"operator": "Exists"}]),
        template(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}]),
        {"metadata": {"labels": {"a": "b"}}, **template()},
    ],
)
def test_good(good: dict[str, Any]) -> None:
    assert template_errors(good) == []


@pytest.mark.parametrize(
    ("bad", "messages"),
    [
        ({"spec": {}}, ["template.spec: field 'containers' is required"]),
        (
            {"spec": {"containers": [{"image": "i"}]}},
            ["template.spec.containers[0]: field 'name' is required"],
        ),
        (
            template({"imagePullPolicie": "Always"}),
            ["template.spec.containers[0]: unknown field 'imagePullPolicie'"],
        ),
        (
            template({"ports": [{"containerPort": "eighty"}]}),
            ["template.spec.containers[0].ports[0].containerPort: 'eighty' is not of type integer"],
        ),
        (
            template({"resources": {"limits": {"cpu": []}}}),
            ["template.spec.containers[0].resources.limits.cpu: [] is neither a string nor a number"],
        ),
        (
            template({"env": [{"name": "A", "value": 1}], "x": 1}, hostname=5),
            [
                "template.spec.containers[0]: unknown field 'x'",
                "template.spec.containers[0].env[0].value: 1 is not of type string",
                "template.spec.hostname: 5 is not of type string",
            ],
        ),
        ({"metadata": {"labels": {"a": 1}}, **template()}, ["template.metadata.labels.a: 1 is not of type string"]),
    ],
)
def test_bad(bad: dict[str, Any], messages: list[str]) -> None:
    assert template_errors(bad) == messages


def test_the_path_is_the_caller_s() -> None:
    path = "spec.xgbReplicaSpecs.Worker.template"
    assert template_errors(template(hostname=5), path) == [f"{path}.spec.hostname: 5 is not of type string"]


def test_the_validator_is_built_once() -> None:
    assert validator() is validator()


@pytest.mark.parametrize("version", ["1.31", "1.36"])
def test_other_versions_of_kubernetes(version: str) -> None:
    pod = {"apiVersion": "v1", "kind": "PodTemplate", "template": template({"foo": 1})}
    assert [error.validator for error in validator("podtemplate-v1", version).iter_errors(pod)] == [
        "additionalProperties"
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}, ""),
        ({"accessMode": "ReadWriteOnce"}, "claims[0].spec: unknown field 'accessMode'"),
        ({"accessModes": "ReadWriteOnce"}, "claims[0].spec.accessModes: 'ReadWriteOnce' is not of type array"),
    ],
)
def test_claim_templates(spec: dict[str, Any], message: str) -> None:
    found = claim_errors({"metadata": {"name": "data"}, "spec": spec}, "claims[0]")
    assert found == ([message] if message else [])
