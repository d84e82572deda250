"""From a CustomResourceDefinition to the types that it makes the server serve, and back to its status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kdl_local.apiserver.cel import rules_of
from kdl_local.apiserver.duration import age
from kdl_local.apiserver.jsonpath import compile_path
from kdl_local.apiserver.schema import StructuralSchema
from kdl_local.apiserver.types import (
    Column,
    Conversion,
    Object,
    Printer,
    ResourceType,
    ResourceTypes,
    ScalePaths,
    api_version_conversion,
)
from kdl_runtime.codec.json import encode
from kdl_runtime.codec.patch import copy_json
from kdl_runtime.codec.times import format_time
from kdl_runtime.types import Resource

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Held by a CRD that is being deleted until the last of its objects is gone."""


def default(crd: Object) -> None:
    """Fills in ``names.singular``, ``names.listKind`` and ``conversion.strategy``, in place."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind and not names.get("singular"):
        names["singular"] = kind.lower()
    if kind and not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {})
    conversion.setdefault("strategy", "None")


@dataclass(frozen=True, slots=True)
class Establishment:
    """What a stored CRD means: the types to serve (none while its names collide) and its ``status``."""

    group: str
    plural: str
    types: list[ResourceType]
    status: dict[str, Any]


def establish(crd: Object, types: ResourceTypes, now: datetime) -> Establishment:
    """Accepts the names of a valid CRD unless another type of the group has them, and builds its types.

    ``types`` are those served now, including those of this CRD's previous state. Conditions keep their transition time
    while their status stays. Does not mutate.
    """
    spec, status = crd["spec"], dict(crd.get("status") or {})
    names = spec["names"]
    conflict = _conflict(names, spec["group"], types)
    conditions = [dict(item) for item in status.get("conditions") or ()]
    if conflict:
        reason, message = conflict
        _set_condition(conditions, ("NamesAccepted", "False", reason, message), now)
        if not any(item.get("type") == "Established" for item in conditions):
            _set_condition(conditions, ("Established", "False", "NotAccepted", "not all names are accepted"), now)
    else:
        _set_condition(conditions, ("NamesAccepted", "True", "NoConflicts", "no conflicts found"), now)
        accepted = ("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        _set_condition(conditions, accepted, now)
    stored = [*(status.get("storedVersions") or ())]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    status["acceptedNames"] = (status.get("acceptedNames") or {"kind": "", "plural": ""}) if conflict else dict(names)
    status["conditions"] = conditions
    status["storedVersions"] = stored if storage in stored else [*stored, storage]
    served = [] if conflict else resource_types(crd)
    return Establishment(spec["group"], names["plural"], served, status)


def _conflict(names: Mapping[str, Any], group: str, types: ResourceTypes) -> tuple[str, str] | None:
    """Reason and message of the last name that is taken, which is the one that the real server reports."""
    found: tuple[str, str] | None = None
    others = [item for item in types if item.resource.group == group and item.resource.plural != names["plural"]]
    resources = {name for item in others for name in (item.resource.plural, item.singular, *item.short_names)}
    kinds = {name for item in others for name in (item.resource.kind, item.list_kind)}
    for reason, name, taken in (
        ("PluralConflict", names["plural"], resources),
        ("SingularConflict", names["singular"], resources),
        *(("ShortNamesConflict", name, resources) for name in names.get("shortNames") or ()),
        ("KindConflict", names["kind"], kinds),
        ("ListKindConflict", names["listKind"], kinds),
    ):
        if name in taken:
            found = reason, f'"{name}" is already in use'
    return found


def _set_condition(conditions: list[dict[str, Any]], condition: tuple[str, str, str, str], now: datetime) -> None:
    """``condition`` is type, status, reason and message."""
    type_, status, reason, message = condition
    entry = {"type": type_, "status": status, "reason": reason, "message": message}
    for item in conditions:
        if item.get("type") == type_:
            if item.get("status") != status:
                item["lastTransitionTime"] = format_time(now)
            item.update(entry)
            return
    conditions.append({**entry, "lastTransitionTime": format_time(now)})


def resource_types(crd: Object) -> list[ResourceType]:
    """One type per served version. All share the storage of the version that is marked so."""
    spec = crd["spec"]
    stored = next(version for version in spec["versions"] if version.get("storage"))
    storage = _resource(spec, stored["name"])
    return [_resource_type(spec, version, storage) for version in spec["versions"] if version.get("served")]


def storage_resource(crd: Object) -> Resource:
    """Where the objects of a CRD are stored: what is to be deleted before a deleted CRD may go."""
    spec = crd["spec"]
    return _resource(spec, next(version["name"] for version in spec["versions"] if version.get("storage")))


def begin_deletion(crd: Object, now: datetime) -> Object:
    """The CRD as it is stored once its deletion was asked for: with the finalizer and the condition Terminating.

    The caller sets ``deletionTimestamp``, deletes the objects in ``storage_resource`` and then the finalizer.
    """
    metadata, status = dict(crd["metadata"]), dict(crd.get("status") or {})
    finalizers = list(metadata.get("finalizers") or ())
    if CLEANUP_FINALIZER not in finalizers:
        finalizers.append(CLEANUP_FINALIZER)
    metadata["finalizers"] = finalizers
    conditions = [dict(item) for item in status.get("conditions") or ()]
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    _set_condition(conditions, ("Terminating", "True", "InstanceDeletionPending", message), now)
    return {**crd, "metadata": metadata, "status": {**status, "conditions": conditions}}


def _resource(spec: Mapping[str, Any], version: str) -> Resource:
    names = spec["names"]
    return Resource(spec["group"], version, names["kind"], names["plural"], spec["scope"] == "Namespaced")


def _resource_type(spec: Mapping[str, Any], version: Mapping[str, Any], storage: Resource) -> ResourceType:
    names, resource = spec["names"], _resource(spec, version["name"])
    subresources = version.get("subresources") or {}
    enabled = frozenset(name for name in ("status", "scale") if subresources.get(name) is not None)
    scale = subresources.get("scale")
    schema = version["schema"]["openAPIV3Schema"]
    paths = [entry["jsonPath"].removeprefix(".") for entry in version.get("selectableFields") or ()]
    return ResourceType(
        resource,
        singular=names["singular"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=enabled,
        scale=scale_paths(scale) if scale is not None else None,
        printer=printer(version.get("additionalPrinterColumns") or ()),
        schema=StructuralSchema(schema, rules_of(schema)),
        storage=storage,
        conversion=_conversion(spec, resource, storage, schema),
        list_kind=names["listKind"],
        has_generation=True,
        unconditional_update=False,
        selectable_fields={path: path for path in paths},
        custom=True,
        deprecation=_deprecation(version, resource),
    )


def _conversion(
    spec: Mapping[str, Any], resource: Resource, storage: Resource, schema: Mapping[str, Any]
) -> Conversion | None:
    """The strategy None; what the schema of the stored version does not know is not stored, and what ``schema``,
    that of this version, does not know is not shown.
    """
    conversion = api_version_conversion(resource, storage)
    if conversion is None:
        return None
    stored = next(version for version in spec["versions"] if version.get("storage"))
    return Conversion(
        _pruned(conversion.to_storage, stored["schema"]["openAPIV3Schema"]), _pruned(conversion.from_storage, schema)
    )


def _pruned(convert: Callable[[Object], Object], schema: Mapping[str, Any]) -> Callable[[Object], Object]:
    known = StructuralSchema(schema)

    def converted(obj: Object) -> Object:
        result: Object = copy_json(convert(obj))
        known.prune(result)
        return result

    return converted


def _deprecation(version: Mapping[str, Any], resource: Resource) -> str:
    if not version.get("deprecated"):
        return ""
    return version.get("deprecationWarning") or f"{resource.api_version} {resource.kind} is deprecated"


def scale_paths(scale: Mapping[str, Any]) -> ScalePaths:
    return ScalePaths(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or "")


_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def printer(columns: Sequence[Mapping[str, Any]]) -> Printer:
    """Name and the declared columns; name and age when none are declared."""
    declared = list(columns) or [_AGE]
    cells = [_cell(column["jsonPath"], column["type"]) for column in declared]
    definitions = [Column("Name", description="Name must be unique within a namespace.", format="name")]
    for column in declared:
        definitions.append(
            Column(
                name=column["name"],
                type=column["type"],
                description=column.get("description")
                or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
                priority=column.get("priority") or 0,
                format=column.get("format") or "",
            )
        )

    def row(obj: Mapping[str, Any], now: datetime) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(cell(obj, now) for cell in cells)]

    return Printer(tuple(definitions), row)


def _cell(path: str, type_: str) -> Callable[[Mapping[str, Any], datetime], Any]:
    find = compile_path(path)
    convert = _CONVERSIONS[type_]

    def cell(obj: Mapping[str, Any], now: datetime) -> Any:
        found = find(obj)
        return convert(found[0], now) if found and found[0] is not None else None

    return cell


def _as_integer(value: Any, _: datetime) -> Any:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_number(value: Any, _: datetime) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _as_boolean(value: Any, _: datetime) -> Any:
    return value if isinstance(value, bool) else None


def _as_string(value: Any, _: datetime) -> Any:
    return value if isinstance(value, str) else encode(value).decode()


def _as_date(value: Any, now: datetime) -> Any:
    return age(value, now) if isinstance(value, str) else None


_CONVERSIONS: Mapping[str, Callable[[Any, datetime], Any]] = {
    "integer": _as_integer,
    "number": _as_number,
    "boolean": _as_boolean,
    "string": _as_string,
    "date": _as_date,
}
