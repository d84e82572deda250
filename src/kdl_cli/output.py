"""Objects as JSON, YAML or names: the formats of ``-o`` that do not depend on the kind."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from kdl_runtime.codec import json, yaml
from kdl_runtime.types import Resource


class Format(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def to_json(obj: Any) -> str:
    return json.pretty(obj) + "\n"


def object_name(resource: Resource, name: str) -> str:
    """``xgboostjob.training.kubedl.io/mnist``, the form that kdl and kubectl take as an argument."""
    kind = resource.kind.lower()
    return f"{kind}.{resource.group}/{name}" if resource.group else f"{kind}/{name}"


def as_list(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}


def document(objects: Sequence[Mapping[str, Any]], form: Format, *, single: bool) -> str:
    """JSON or YAML of one object, or of a ``List``. ``managedFields`` are left out, as kubectl does."""
    cleaned = [_without_managed_fields(obj) for obj in objects]
    content = cleaned[0] if single and len(cleaned) == 1 else as_list(cleaned)
    return to_json(content) if form is Format.JSON else yaml.encode(content)


def _without_managed_fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
