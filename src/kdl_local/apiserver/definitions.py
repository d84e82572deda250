"""Schemas of the built-in kinds, from the data that the ``kubernetes-validate`` package carries.

That data is JSON Schema made out of the real server's OpenAPI document. Here it is brought back to OpenAPI's form and
looked up by kind. It is read when first needed, and only the definitions that are asked for are converted.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kdl_runtime.codec.json import decode
from kdl_runtime.types import GroupVersionKind

_FILE = "_definitions.json"
_REFERENCE = "#/$defs/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_KUBERNETES_VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+-local")
_DROPPED = frozenset({"$id", "$schema"})


def _newest_file() -> Path:
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the schemas of built-in kinds are missing: pip install kubernetes-validate")
    versions = {
        (int(match[1]), int(match[2])): path
        for location in spec.submodule_search_locations
        for path in Path(location, "kubernetes-json-schema").iterdir()
        if (match := _KUBERNETES_VERSION.fullmatch(path.name)) and (path / _FILE).exists()
    }
    if not versions:
        raise RuntimeError("kubernetes-validate carries no schemas: reinstall it")
    return versions[max(versions)] / _FILE


@cache
def _raw() -> Mapping[str, Any]:
    found: Mapping[str, Any] = decode(_newest_file().read_bytes())["$defs"]
    return found


@cache
def _names() -> Mapping[GroupVersionKind, str]:
    return {
        GroupVersionKind(gvk.get("group", ""), gvk.get("version", ""), gvk.get("kind", "")): name
        for name, schema in _raw().items()
        for gvk in schema.get("x-kubernetes-group-version-kind") or ()
        # Types that belong to every group, such as DeleteOptions, are of no one kind.
        if len(schema["x-kubernetes-group-version-kind"]) == 1
    }


def definition_name(gvk: GroupVersionKind) -> str | None:
    """``io.k8s.api.core.v1.Pod``; None for a kind that the data does not have."""
    return _names().get(gvk)


@cache
def definition(name: str) -> Mapping[str, Any]:
    """The OpenAPI schema of a definition. References are names below ``#/$defs/``; see ``with_references``.

    Quantities and int-or-strings are marked by their ``format``, as in the real server's OpenAPI v2 document.
    """
    if name == _QUANTITY:
        return {"description": "Quantity is a fixed-point representation of a number.", "type": "string"}
    if name == _INT_OR_STRING:
        return {"description": "A value that is an integer or a string.", "type": "string", "format": "int-or-string"}
    converted = _converted(_raw()[name])
    assert isinstance(converted, dict)
    return converted


def _converted(value: Any) -> Any:
    if isinstance(value, list):
        return [_converted(item) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key in _DROPPED:
            continue
        if key == "type" and isinstance(item, list):
            result["type"] = next(name for name in item if name != "null")
        elif key == "properties":
            result["properties"] = {name: _property(name, schema) for name, schema in item.items()}
        else:
            result[key] = _converted(item)
    return result


def _property(name: str, schema: Any) -> Any:
    converted = _converted(schema)
    if name in ("apiVersion", "kind") and isinstance(converted, dict):
        converted.pop("enum", None)
    return converted


def with_references(schema: Any, prefix: str) -> Any:
    """The schema with its references below ``prefix``, such as ``#/components/schemas/``."""
    if isinstance(schema, list):
        return [with_references(item, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: prefix + item.removeprefix(_REFERENCE)
        if key == "$ref" and isinstance(item, str)
        else with_references(item, prefix)
        for key, item in schema.items()
    }


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, Mapping):
        for key, item in schema.items():
            if key == "$ref" and isinstance(item, str):
                yield item.removeprefix(_REFERENCE)
            else:
                yield from references(item)


def closure(names: Iterator[str] | list[str]) -> dict[str, Mapping[str, Any]]:
    """The named definitions and all that they need, in a stable order."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definition(name)
            waiting.extend(references(found[name]))
    return dict(sorted(found.items()))
