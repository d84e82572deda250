"""The schema of pod templates in our CRDs: the built-in one, with what only holds for the pods of a job."""

from typing import Any

from kdl_workloads.api.structural import Schema, builtin_schema

POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"
CLAIM_TEMPLATE = "io.k8s.api.core.v1.PersistentVolumeClaimTemplate"

MAX_CONTAINERS = 32
"""Bounds the cost of the CEL rules that look at each container, which the API server estimates from the schema."""

_METADATA = ("annotations", "finalizers", "labels", "name", "namespace")


def pod_template_schema() -> Schema:
    """Every field that a pod may have when it is created, so that a misspelt one is refused. Stricter than the built-in
    schema where Kubernetes refuses the pod later anyway: a spec, at least one container, an image for each, and the
    words that some fields take."""
    template = builtin_schema(POD_TEMPLATE)
    template["required"] = ["spec"]
    _metadata(template["properties"]["metadata"])
    spec = template["properties"]["spec"]
    volume: dict[str, Any] = spec["properties"]["volumes"]["items"]["properties"]
    _metadata(volume["ephemeral"]["properties"]["volumeClaimTemplate"]["properties"]["metadata"])
    del spec["properties"]["ephemeralContainers"]
    for name in ("containers", "initContainers"):
        _containers(spec["properties"][name])
    spec["properties"]["containers"]["minItems"] = 1
    return template


def claim_template_schema() -> Schema:
    """A claim template as a replica spec has it. Its name is also that of a volume of the pod."""
    template = builtin_schema(CLAIM_TEMPLATE)
    metadata = template["properties"]["metadata"]
    metadata["properties"] = {name: metadata["properties"][name] for name in ("annotations", "labels", "name")}
    metadata["required"] = ["name"]
    metadata["properties"]["name"] |= {"maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
    template["required"] = ["metadata", "spec"]
    return template


def _metadata(schema: Schema) -> None:
    schema["properties"] = {name: schema["properties"][name] for name in _METADATA}


def _containers(schema: Schema) -> None:
    schema["maxItems"] = MAX_CONTAINERS
    container = schema["items"]
    container["required"] = sorted({*container.get("required", []), "image", "name"})
    fields: dict[str, Any] = container["properties"]
    fields["image"]["minLength"] = 1
    fields["name"] |= {"minLength": 1, "maxLength": 63}
    fields["imagePullPolicy"]["enum"] = ["Always", "IfNotPresent", "Never"]
    fields["terminationMessagePolicy"]["enum"] = ["File", "FallbackToLogsOnError"]
    fields["ports"]["items"]["properties"]["protocol"]["enum"] = ["TCP", "UDP", "SCTP"]
    # A variable that is given twice is allowed in a pod, where the last one wins, so its name is no key here. Ports are
    # no list map either: the key protocol would need a default, and what the server fills in makes every repeated
    # `kubectl apply` of the same file a change.
    for key in ("x-kubernetes-list-type", "x-kubernetes-list-map-keys"):
        fields["env"].pop(key, None)
        fields["ports"].pop(key, None)
