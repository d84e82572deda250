"""OpenAPI schemas of custom resources: the CRD's schema with the fields that every object has."""

from collections.abc import Mapping
from typing import Any

from kdl_local.apiserver.types import ResourceType
from kdl_runtime.types import GroupVersionKind

_META = "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1."
_API_VERSION = {
    "description": "APIVersion defines the versioned schema of this representation of an object.",
    "type": "string",
}
_KIND = {
    "description": "Kind is a string value representing the REST resource this object represents.",
    "type": "string",
}


def custom_definition_name(kind: GroupVersionKind) -> str:
    """``io.kubedl.training.v1alpha1.XGBoostJob``."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def custom_definition(type_: ResourceType, kind: GroupVersionKind) -> Mapping[str, Any]:
    """The schema of a kind or of its list, with references below ``#/$defs/``."""
    marker = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
    if kind.kind == type_.list_kind:
        items = {"type": "array", "items": {"$ref": f"#/$defs/{custom_definition_name(type_.gvk)}"}}
        return {
            "description": f"{kind.kind} is a list of {type_.resource.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": _API_VERSION,
                "kind": _KIND,
                "metadata": {"$ref": f"{_META}ListMeta", "description": "Standard list metadata."},
                "items": {**items, "description": f"List of {type_.resource.plural}."},
            },
            "x-kubernetes-group-version-kind": marker,
        }
    schema = (type_.schema.openapi() if type_.schema is not None else None) or {"type": "object"}
    properties = {
        **(schema.get("properties") or {}),
        "apiVersion": _API_VERSION,
        "kind": _KIND,
        "metadata": {"$ref": f"{_META}ObjectMeta", "description": "Standard object's metadata."},
    }
    return {**schema, "properties": properties, "x-kubernetes-group-version-kind": marker}
