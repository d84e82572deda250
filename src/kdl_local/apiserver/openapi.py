"""OpenAPI documents: v3 with an index and one document per group version, and v2 as one document.

kubectl reads them for ``explain``, for client-side apply, and to learn whether the server validates fields.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from kdl_local.apiserver.custom_definitions import custom_definition, custom_definition_name
from kdl_local.apiserver.definitions import closure, definition_name, with_references
from kdl_local.apiserver.operations import DELETE_OPTIONS, PATCH, STATUS, Operation, Parameter, operations
from kdl_local.apiserver.types import ResourceType, ResourceTypes
from kdl_runtime.codec.json import encode
from kdl_runtime.types import GroupVersionKind

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_WELL_KNOWN = {STATUS: f"{_META}Status", DELETE_OPTIONS: f"{_META}DeleteOptions", PATCH: f"{_META}Patch"}
_PATCH_SCHEMA = {"description": "A patch, as its Content-Type says.", "type": "object"}
_V3_PREFIX, _V2_PREFIX = "#/components/schemas/", "#/definitions/"
_INFO = {"title": "Kubernetes", "version": "unversioned"}


class OpenApi:
    """The documents of the types that are served at the time of the call, kept until a type is added or removed."""

    def __init__(self, types: ResourceTypes) -> None:
        self._types = types
        self._revision = -1
        self._documents: dict[str, bytes] = {}

    def document(self, path: str) -> bytes | None:
        """The JSON at ``/openapi/v2``, ``/openapi/v3`` or ``/openapi/v3/<group version>``; None at other paths."""
        if self._revision != self._types.revision:
            self._revision = self._types.revision
            self._documents.clear()
        path = path.rstrip("/")
        if path not in self._documents:
            built = self._build(path)
            if built is None:
                return None
            self._documents[path] = encode(built)
        return self._documents[path]

    def _build(self, path: str) -> dict[str, Any] | None:
        match path.split("/")[1:]:
            case ["openapi", "v2"]:
                return v2_document(self._types)
            case ["openapi", "v3"]:
                return v3_index(self._types)
            case ["openapi", "v3", "api", version]:
                return v3_document(self._types.in_version("", version))
            case ["openapi", "v3", "apis", group, version]:
                return v3_document(self._types.in_version(group, version))
        return None


def v3_index(types: ResourceTypes) -> dict[str, Any]:
    """The documents that there are. The hash in a URL changes with the document, so that clients may keep it."""
    paths: dict[str, Any] = {}
    for group, versions in types.groups().items():
        for version in versions:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            digest = _digest(types.in_version(group, version))
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": paths}


def _digest(items: Iterable[ResourceType]) -> str:
    """Of what a document is made from; building it to hash it would cost far more."""
    summary = [
        (item.gvk, item.resource.plural, sorted(item.verbs), sorted(item.subresources), _own_schema(item))
        for item in items
    ]
    return hashlib.sha256(encode(summary)).hexdigest()[:32].upper()


def _own_schema(item: ResourceType) -> Mapping[str, Any] | None:
    return item.schema.openapi() if item.schema is not None else None


def v3_document(items: list[ResourceType]) -> dict[str, Any] | None:
    """The OpenAPI 3.0 document of the types of one group version; None when there are none."""
    if not items:
        return None
    names = _Names(items)
    paths: dict[str, dict[str, Any]] = {}
    for item in items:
        for operation in operations(item):
            entry = paths.setdefault(operation.path, _path_parameters(operation.path, _v3_path_parameter))
            entry[operation.method] = _v3_operation(operation, names)
    schemas = {name: _wrapped(with_references(schema, _V3_PREFIX)) for name, schema in names.schemas().items()}
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def v2_document(types: ResourceTypes) -> dict[str, Any]:
    """The Swagger 2.0 document of all types."""
    items = list(types)
    names = _Names(items)
    paths: dict[str, dict[str, Any]] = {}
    for item in items:
        for operation in operations(item):
            entry = paths.setdefault(operation.path, _path_parameters(operation.path, _v2_path_parameter))
            entry[operation.method] = _v2_operation(operation, names)
    schemas = {name: _without_v3(with_references(schema, _V2_PREFIX)) for name, schema in names.schemas().items()}
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": schemas}


class _Names:
    """Names of the schemas of kinds, and the schemas that these names need."""

    def __init__(self, items: Iterable[ResourceType]) -> None:
        self._custom: dict[GroupVersionKind, ResourceType] = {}
        for item in items:
            if item.custom:
                self._custom[item.gvk] = item
                self._custom[item.gvk._replace(kind=item.list_kind)] = item
        self._used: dict[str, GroupVersionKind] = {}

    def of(self, kind: GroupVersionKind) -> str | None:
        if kind in self._custom:
            name: str | None = custom_definition_name(kind)
        else:
            name = _WELL_KNOWN.get(kind) or definition_name(kind)
        if name is not None:
            self._used[name] = kind
        return name

    def schemas(self) -> dict[str, Mapping[str, Any]]:
        """Every schema that was asked for, with all that it refers to."""
        custom: dict[str, Mapping[str, Any]] = {}
        builtin: list[str] = []
        for name, kind in self._used.items():
            if kind in self._custom:
                custom[name] = custom_definition(self._custom[kind], kind)
            elif kind != PATCH:
                builtin.append(name)
        if custom:
            builtin += [f"{_META}ObjectMeta", f"{_META}ListMeta"]
        found = closure(builtin) | custom
        if _WELL_KNOWN[PATCH] in self._used:
            found[_WELL_KNOWN[PATCH]] = _PATCH_SCHEMA
        return dict(sorted(found.items()))


def _path_parameters(path: str, build: Any) -> dict[str, Any]:
    parts = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return {"parameters": [build(name) for name in parts]} if parts else {}


_PATH_TEXTS = {"name": "The name of the object.", "namespace": "The object's namespace."}


def _v3_path_parameter(name: str) -> dict[str, Any]:
    return {**_v2_location(name), "schema": {"type": "string", "uniqueItems": True}}


def _v2_path_parameter(name: str) -> dict[str, Any]:
    return {**_v2_location(name), "type": "string", "uniqueItems": True}


def _v2_location(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "description": _PATH_TEXTS[name], "required": True}


def _common(operation: Operation) -> dict[str, Any]:
    group, version, kind = operation.kind
    return {
        "operationId": operation.id,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }


def _query(parameter: Parameter) -> dict[str, Any]:
    return {"name": parameter.name, "in": "query", "description": parameter.description}


def _v3_operation(operation: Operation, names: _Names) -> dict[str, Any]:
    result = _common(operation)
    result["parameters"] = [
        {**_query(item), "schema": {"type": item.type, "uniqueItems": True}} for item in operation.parameters
    ]
    if operation.body is not None and (name := names.of(operation.body)):
        content = {media: {"schema": {"$ref": _V3_PREFIX + name}} for media in operation.media}
        result["requestBody"] = {"content": content, "required": operation.body != DELETE_OPTIONS}
    answer = names.of(operation.answer) if operation.answer is not None else None
    schema = {"$ref": _V3_PREFIX + answer} if answer else {"type": "string"}
    media = "application/json" if answer else "text/plain"
    result["responses"] = {"200": {"description": "OK", "content": {media: {"schema": schema}}}}
    return result


def _v2_operation(operation: Operation, names: _Names) -> dict[str, Any]:
    result = _common(operation)
    parameters = [{**_query(item), "type": item.type, "uniqueItems": True} for item in operation.parameters]
    if operation.body is not None and (name := names.of(operation.body)):
        body = {"name": "body", "in": "body", "schema": {"$ref": _V2_PREFIX + name}}
        parameters.append({**body, "required": operation.body != DELETE_OPTIONS})
    answer = names.of(operation.answer) if operation.answer is not None else None
    schema = {"$ref": _V2_PREFIX + answer} if answer else {"type": "string"}
    result["consumes"] = list(operation.media)
    result["produces"] = ["application/json" if answer else "text/plain"]
    result["parameters"] = parameters
    result["responses"] = {"200": {"description": "OK", "schema": schema}}
    return result


def _wrapped(schema: Any) -> Any:
    """In OpenAPI 3.0 a reference has no siblings: one with a description becomes ``allOf`` beside it."""
    if isinstance(schema, list):
        return [_wrapped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _wrapped(item) for key, item in schema.items()}
    if len(result) > 1 and isinstance(result.get("$ref"), str):
        result["allOf"] = [{"$ref": result.pop("$ref")}]
    return result


_V3_ONLY = frozenset({"nullable", "oneOf", "anyOf", "allOf", "not", "x-kubernetes-validations"})


def _without_v3(schema: Any) -> Any:
    """Without the keywords that Swagger 2.0 lacks. An int-or-string is a string of that format there."""
    if isinstance(schema, list):
        return [_without_v3(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _without_v3(item) for key, item in schema.items() if key not in _V3_ONLY}
    if isinstance(schema.get("properties"), dict):
        result["properties"] = {name: _without_v3(item) for name, item in schema["properties"].items()}
    return result
