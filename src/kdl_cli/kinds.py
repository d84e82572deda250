"""Names of kinds as people type them, resolved against what the API server says it serves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kdl_runtime.types import Resource, parse_api_version


@dataclass(frozen=True, slots=True)
class Kind:
    """A served kind with the names that it answers to."""

    resource: Resource
    singular: str = ""
    short_names: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All in lower case: plural, singular, kind, short names."""
        singular = self.singular or self.resource.kind
        return frozenset(
            name.lower() for name in (self.resource.plural, singular, self.resource.kind, *self.short_names)
        )


def parse_resource_list(document: Mapping[str, Any]) -> list[Kind]:
    """The kinds in an ``APIResourceList``, subresources left out."""
    group, version = parse_api_version(document.get("groupVersion", ""))
    return [
        Kind(
            Resource(group, version, entry["kind"], entry["name"], bool(entry.get("namespaced"))),
            entry.get("singularName", ""),
            tuple(entry.get("shortNames") or ()),
        )
        for entry in document.get("resources") or ()
        if "/" not in entry["name"]
    ]


def matching(kinds: Iterable[Kind], typed: str) -> list[Kind]:
    """The kinds that ``typed`` names: ``xgboostjobs``, ``XGBoostJob``, ``xgboostjob.kubeflow.org`` or
    ``xgboostjobs.v1.kubeflow.org``. A name without a group may fit several groups; all of them are returned."""
    name, _, qualifier = typed.lower().partition(".")
    return [kind for kind in kinds if name in kind.names and _qualified(kind.resource, qualifier)]


def _qualified(resource: Resource, qualifier: str) -> bool:
    return qualifier in ("", resource.group, f"{resource.version}.{resource.group}".rstrip("."))


def split_reference(typed: str) -> tuple[str, str]:
    """``kind/name`` in its two parts; the kind is empty where only a name was typed."""
    kind, slash, name = typed.rpartition("/")
    return (kind, name) if slash else ("", typed)
