"""Field types of built-in kinds, from their OpenAPI definitions."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from kdl_local.apiserver.apply.fieldtypes import DEDUCED, UNTYPED, FieldType, MapType, list_type, scalar_of
from kdl_local.apiserver.definitions import definition

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_REFERENCE = "#/$defs/"

# In the Go types these are structs and not pointers to them, so no object is without them.
_STRUCTS: Mapping[str, tuple[str, ...]] = {
    "api.core.v1.Container": ("resources",),
    "api.core.v1.EphemeralContainer": ("resources",),
    "api.core.v1.ContainerStatus": ("state", "lastState"),
    "api.core.v1.Event": ("involvedObject", "source"),
    "api.events.v1.Event": ("regarding", "deprecatedSource"),
    "api.core.v1.NodeStatus": ("daemonEndpoints", "nodeInfo"),
    "api.core.v1.NodeDaemonEndpoints": ("kubeletEndpoint",),
    "api.core.v1.PodTemplate": ("template",),
    "api.core.v1.PodTemplateSpec": ("metadata", "spec"),
    "api.core.v1.PersistentVolumeClaimSpec": ("resources",),
    "api.core.v1.ServiceStatus": ("loadBalancer",),
    "api.networking.v1.IngressStatus": ("loadBalancer",),
    "api.rbac.v1.ClusterRoleBinding": ("roleRef",),
    "api.rbac.v1.RoleBinding": ("roleRef",),
    "api.autoscaling.v2.HorizontalPodAutoscalerSpec": ("scaleTargetRef",),
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec": ("names",),
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus": ("acceptedNames",),
}
# Written by Go even if it is empty, although the schema does not require it.
_NUMBERS: Mapping[str, dict[str, Any]] = {"api.scheduling.v1.PriorityClass": {"value": 0}}
_KIND_STRUCTS = ("metadata", "spec", "status")
_KEY_DEFAULTS = {"protocol": "TCP", "name": ""}
_ZERO: Mapping[str | None, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False}


@cache
def builtin_type(name: str) -> FieldType:
    """The type of a definition such as ``io.k8s.api.core.v1.Pod``. Recursive definitions refer to the same type."""
    return _named(name, {})


def _named(name: str, known: dict[str, FieldType]) -> FieldType:
    if name == _RAW_EXTENSION:
        return UNTYPED
    if name == _QUANTITY:
        return FieldType("untyped")
    if name not in known:
        schema = definition(name)
        found = known[name] = FieldType()
        built = _type(schema, known)
        found.scalar, found.list, found.map = built.scalar, built.list, built.map
        if found.map is not None:
            found.map.always = _always(name, schema, found.map)
    return known[name]


def _always(name: str, schema: Mapping[str, Any], map_: MapType) -> dict[str, Any]:
    """Required fields are written by Go even if they are empty, and so are structs."""
    short = name.removeprefix("io.k8s.").removeprefix("kube-")
    structs = [*_STRUCTS.get(short, ())]
    if schema.get("x-kubernetes-group-version-kind"):
        structs += [field for field in _KIND_STRUCTS if field in map_.fields]
    found: dict[str, Any] = {field: {} for field in structs} | _NUMBERS.get(short, {})
    for field in schema.get("required") or ():
        found.setdefault(field, _ZERO.get((schema.get("properties") or {}).get(field, {}).get("type")))
    return found


def _type(schema: Mapping[str, Any], known: dict[str, FieldType]) -> FieldType:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _relationship(_named(reference.removeprefix(_REFERENCE), known), schema)
    match schema.get("type"):
        case "object":
            return FieldType(map=_map(schema, known))
        case "array":
            return FieldType(list=_list(schema, known))
        case None:
            return FieldType("untyped", list_type(schema, UNTYPED), _map(schema, known), loose=True)
    return FieldType(scalar_of(schema))


def _relationship(found: FieldType, schema: Mapping[str, Any]) -> FieldType:
    """A field may be atomic or not whatever its type says."""
    kind = schema.get("x-kubernetes-map-type")
    if kind is None or found.map is None:
        return found
    map_ = MapType(found.map.fields, found.map.element, kind == "atomic", found.map.always)
    return FieldType(found.scalar, found.list, map_, found.loose)


def _map(schema: Mapping[str, Any], known: dict[str, FieldType]) -> MapType:
    properties = schema.get("properties") or {}
    fields = {name: _type(item, known) for name, item in properties.items()}
    additional = schema.get("additionalProperties")
    element: FieldType | None = None
    if isinstance(additional, Mapping):
        element = _type(additional, known)
    elif additional is True or (additional is None and not properties):
        element = DEDUCED
    return MapType(fields, element, atomic=schema.get("x-kubernetes-map-type") == "atomic")


def _list(schema: Mapping[str, Any], known: dict[str, FieldType]) -> Any:
    items = schema["items"]
    found = list_type(schema, _type(items, known))
    if found.keys:
        reference = items.get("$ref", "")
        element = definition(reference.removeprefix(_REFERENCE)) if reference else items
        found.defaults = dict(_key_defaults(element, found.keys))
    return found


def _key_defaults(element: Mapping[str, Any], keys: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Required keys are the zero value where they are left out, which validation then refuses."""
    required, properties = element.get("required") or (), element.get("properties") or {}
    found = []
    for key in keys:
        if key in _KEY_DEFAULTS:
            found.append((key, _KEY_DEFAULTS[key]))
        elif key in required:
            found.append((key, _ZERO.get(properties.get(key, {}).get("type"), "")))
    return found
