"""Changing a pod template by a part of one, as ``kubectl patch --type=strategic`` changes an object.

Objects are merged field by field. A list that Kubernetes merges by a key (containers, env, volumes, …) keeps its
elements, and those of the same key are merged; any other list is replaced. Null takes a field away.
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from collections.abc import Mapping
from typing import Any

from kdl_workloads.api.definitions import definitions
from kdl_workloads.api.template_schema import POD_TEMPLATE

_MERGE_KEY = "x-kubernetes-patch-merge-key"
_STRATEGY = "x-kubernetes-patch-strategy"
_DEFS = "#/$defs/"

Schema = Mapping[str, Any]


def overlaid(template: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """The template with the overlay over it; parts that did not change are shared. ValueError for an element of a list
    that lacks the key by which it is merged, and for a value of another type than the one in its place."""
    return _merged(template, overlay, definitions()["$defs"][POD_TEMPLATE], "")


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any], schema: Schema, path: str) -> dict[str, Any]:
    result = dict(base)
    fields = schema.get("properties") or {}
    for name, value in overlay.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _value(result.get(name), value, fields.get(name) or {}, f"{path}.{name}")
    return result


def _value(base: Any, value: Any, schema: Schema, path: str) -> Any:
    if base is not None and isinstance(base, Mapping | list) and not isinstance(value, type(base)):
        raise ValueError(f"{path.lstrip('.')} must be {'a list' if isinstance(base, list) else 'an object'}")
    if isinstance(value, Mapping):
        return _merged(base or {}, value, _resolved(schema), path)
    if isinstance(value, list) and "merge" in str(schema.get(_STRATEGY, "")).split(","):
        return _list(base or [], value, schema, path)
    return value


def _list(base: list[Any], overlay: list[Any], schema: Schema, path: str) -> list[Any]:
    key, items = schema.get(_MERGE_KEY), _resolved(schema.get("items") or {})
    if key is None:
        return [*base, *(item for item in overlay if item not in base)]
    result = list(base)
    for position, item in enumerate(overlay):
        if not isinstance(item, Mapping) or key not in item:
            raise ValueError(f"{path.lstrip('.')}[{position}] needs the field {key}, by which it is merged")
        place = next((i for i, other in enumerate(result) if other.get(key) == item[key]), None)
        if place is None:
            result.append(_merged({}, item, items, path))
        else:
            result[place] = _merged(result[place], item, items, path)
    return result


def _resolved(schema: Schema) -> Schema:
    """What a reference leads to."""
    name = schema.get("$ref")
    found: Schema = schema if name is None else definitions()["$defs"][str(name).removeprefix(_DEFS)]
    return found
