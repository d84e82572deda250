"""What the server knows of a resource: where it is served, what may be done with it, and how it is stored and shown."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from kdl_local.apiserver.fields import FieldError
from kdl_runtime.types import GroupVersionKind, Resource

Object = dict[str, Any]

ALL_VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})
"""The verbs of an ordinary stored resource."""


class Schema(Protocol):
    """Pruning, defaulting and validation of the objects of one version of a type, in this order."""

    def prune(self, obj: Object) -> list[str]:
        """Drops fields that the schema does not know, in place; returns their paths, such as ``spec.foo``."""
        ...

    def default(self, obj: Object, *, keep_nulls: bool = False) -> None:
        """Fills in absent fields, in place. ``keep_nulls`` leaves a null that has no default, to be refused."""
        ...

    def validate(self, obj: Object, old: Object | None, *, blocked: bool = False) -> list[FieldError]:
        """What is wrong with ``obj``; ``old`` is the stored object of an update, None for a create.

        ``blocked``: what is wrong with the metadata keeps rules from being looked at.
        """
        ...

    def openapi(self) -> Mapping[str, Any] | None:
        """The OpenAPI v3 schema of the object, None when the OpenAPI data of built-in kinds has it."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``meta.k8s.io/v1 Table``. ``priority`` 0 is always shown, higher only by ``kubectl get -o wide``."""

    name: str
    type: str = "string"
    description: str = ""
    priority: int = 0
    format: str = ""


@dataclass(frozen=True, slots=True)
class Printer:
    """How objects look in a table: ``cells(obj, now)`` gives one JSON scalar, or None, per column."""

    columns: tuple[Column, ...]
    cells: Callable[[Mapping[str, Any], datetime], list[Any]]


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the scale subresource finds its numbers; JSON paths such as ``.spec.replicas``."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Between the shape of this version and the shape in which the type is stored. Both return fresh top levels."""

    to_storage: Callable[[Object], Object]
    from_storage: Callable[[Object], Object]


@dataclass(frozen=True)
class ResourceType:
    """One version of one type.

    ``storage`` names the version in which objects are kept (None: this one); types that share ``storage`` show the
    same objects. ``has_generation``: a change outside ``metadata`` and ``status`` counts ``metadata.generation`` up.
    ``graceful_deletion``: a delete sets ``deletionTimestamp`` and waits for the node (pods). ``unconditional_update``:
    a PUT without resourceVersion is taken. ``create_on_update``: a PUT of an absent object creates it.
    ``selectable_fields`` maps what a field selector may name, besides ``metadata.name`` and ``metadata.namespace``, to
    the field of the object. ``name_errors(name, prefix)`` says what is wrong with a name (None: a DNS subdomain).
    ``deprecation`` is the warning in every answer about this version.
    """

    resource: Resource
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: frozenset[str] = ALL_VERBS
    subresources: frozenset[str] = frozenset()
    scale: ScalePaths | None = None
    printer: Printer | None = None
    schema: Schema | None = None
    storage: Resource | None = None
    conversion: Conversion | None = None
    list_kind: str = ""
    has_generation: bool = False
    graceful_deletion: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    selectable_fields: Mapping[str, str] = field(default_factory=dict)
    name_errors: Callable[[str, bool], list[str]] | None = None
    custom: bool = False
    deprecation: str = ""

    def __post_init__(self) -> None:
        if not self.singular:
            object.__setattr__(self, "singular", self.resource.kind.lower())
        if not self.list_kind:
            object.__setattr__(self, "list_kind", f"{self.resource.kind}List")

    @property
    def has_status(self) -> bool:
        """Whether ``status`` is isolated: written through its subresource only."""
        return "status" in self.subresources

    @property
    def namespaced(self) -> bool:
        return self.resource.namespaced

    @property
    def gvk(self) -> GroupVersionKind:
        return self.resource.gvk

    @property
    def storage_resource(self) -> Resource:
        """The resource under which the objects are stored; the same for all versions of a type."""
        return self.storage or self.resource

    def to_storage(self, obj: Object) -> Object:
        """``obj`` of this version in the stored shape."""
        return self.conversion.to_storage(obj) if self.conversion else obj

    def from_storage(self, obj: Object) -> Object:
        """A stored object in the shape of this version. Never mutates; may return ``obj`` itself."""
        return self.conversion.from_storage(obj) if self.conversion else obj

    def selects(self, label: str) -> bool:
        """Whether a field selector may name ``label``."""
        if label == "metadata.namespace" and not self.namespaced and (self.custom or self.selectable_fields):
            return False
        return label in ("metadata.name", "metadata.namespace") or label in self.selectable_fields

    def select(self, obj: Mapping[str, Any], label: str) -> str:
        """The value of a field that ``selects`` accepts, of an object in this version's shape; absent is empty."""
        value: Any = obj
        for part in self.selectable_fields.get(label, label).split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else str(value)


def api_version_conversion(served: Resource, stored: Resource) -> Conversion | None:
    """The conversion strategy None of a CRD: only ``apiVersion`` differs between versions."""
    if served.api_version == stored.api_version:
        return None
    return Conversion(
        to_storage=lambda obj: {**obj, "apiVersion": stored.api_version},
        from_storage=lambda obj: {**obj, "apiVersion": served.api_version},
    )


_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sort key that puts the preferred version first: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name."""
    match = _VERSION.match(version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)


class ResourceTypes:
    """The types that the server serves now. ``revision`` grows with every change, for those who cache."""

    def __init__(self, types: Iterable[ResourceType] = ()) -> None:
        self._by_resource: dict[tuple[str, str, str], ResourceType] = {}
        self._by_kind: dict[GroupVersionKind, ResourceType] = {}
        self.revision = 0
        for item in types:
            self.add(item)

    def get(self, group: str, version: str, plural: str) -> ResourceType | None:
        return self._by_resource.get((group, version, plural))

    def by_kind(self, gvk: GroupVersionKind) -> ResourceType | None:
        return self._by_kind.get(gvk)

    def of(self, resource: Resource) -> ResourceType | None:
        return self.get(resource.group, resource.version, resource.plural)

    def add(self, item: ResourceType) -> None:
        """Serves a type from now on; a type of the same group, version and plural is replaced."""
        resource = item.resource
        previous = self.of(resource)
        if previous is not None:
            self._by_kind.pop(previous.gvk, None)
        self._by_resource[resource.group, resource.version, resource.plural] = item
        self._by_kind[item.gvk] = item
        self.revision += 1

    def remove(self, group: str, plural: str) -> None:
        """Stops to serve every version of a type."""
        gone = [key for key in self._by_resource if key[0] == group and key[2] == plural]
        for key in gone:
            self._by_kind.pop(self._by_resource.pop(key).gvk, None)
        if gone:
            self.revision += 1

    def replace(self, group: str, plural: str, types: Sequence[ResourceType]) -> None:
        """Serves exactly these versions of a type: what changes when a CRD is written."""
        self.remove(group, plural)
        for item in types:
            self.add(item)

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(tuple(self._by_resource.values()))

    def groups(self) -> dict[str, list[str]]:
        """Groups in the order of their first type, the core group as ``""``; versions with the preferred one first."""
        found: dict[str, set[str]] = {}
        for group, version, _ in self._by_resource:
            found.setdefault(group, set()).add(version)
        return {group: sorted(versions, key=version_order) for group, versions in found.items()}

    def in_version(self, group: str, version: str) -> list[ResourceType]:
        """The types of one group version, by plural."""
        items = [item for key, item in self._by_resource.items() if key[:2] == (group, version)]
        return sorted(items, key=lambda item: item.resource.plural)
