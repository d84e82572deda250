"""Checks pod templates against the schema of Kubernetes itself (``kubernetes-validate``), before any pod is made."""

from collections.abc import Mapping
from typing import Any

import jsonschema
from cachetools import LRUCache, cached
from referencing import Registry, Resource

from kdl_runtime.codec import json
from kdl_workloads.api.definitions import KUBERNETES_VERSION, definitions, schema_directory


@cached(LRUCache[Any, Any](maxsize=8))
def validator(kind: str = "podtemplate-v1", version: str = KUBERNETES_VERSION) -> Any:
    """A validator that also refuses unknown fields. Building one costs some 20 ms, using it less than one."""
    schema = json.decode(schema_directory(version, strict=True).joinpath(f"{kind}.json").read_bytes())
    registry: Registry[Any] = Registry().with_resources(
        [
            (resource.id() or "", resource)
            for resource in map(Resource.from_contents, (schema, definitions(version, True)))
        ]
    )
    return jsonschema.Draft202012Validator(schema, registry=registry)


def template_errors(template: Mapping[str, Any], path: str = "template") -> list[str]:
    """What Kubernetes would refuse in a pod template: one message per field, in the order of the fields.

    ``path`` is where the template is in the job (``spec.xgbReplicaSpecs.Worker.template``); messages begin with it. The
    schema knows fields and types, and no semantics: what is left is for the API server to say when the pod is created.
    """
    wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "template": template}
    return _errors("podtemplate-v1", wrapped, path, 1)


def claim_errors(template: Mapping[str, Any], path: str = "template") -> list[str]:
    """The same for a template of a PersistentVolumeClaim."""
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **template}
    return _errors("persistentvolumeclaim-v1", claim, path, 0)


def _errors(kind: str, obj: Mapping[str, Any], path: str, depth: int) -> list[str]:
    """``path`` stands for the first ``depth`` parts of each field's path."""
    errors = sorted(validator(kind).iter_errors(obj), key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{path}{_path(list(error.absolute_path)[depth:])}: {_message(error)}" for error in errors]


def _path(parts: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _message(error: Any) -> str:
    if error.validator == "additionalProperties":
        known = set(error.schema.get("properties") or ())
        unknown = sorted(set(error.instance) - known)
        return f"unknown field {', '.join(map(repr, unknown))}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"field {', '.join(map(repr, missing))} is required"
    if error.validator == "type":
        wanted = error.validator_value
        types = [wanted] if isinstance(wanted, str) else [name for name in wanted if name != "null"]
        return f"{error.instance!r} is not of type {' or '.join(types)}"
    if error.validator in ("oneOf", "anyOf"):
        return f"{error.instance!r} is neither a string nor a number"
    return str(error.message)
