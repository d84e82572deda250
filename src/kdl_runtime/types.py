"""The vocabulary that every layer shares: names of kinds, of objects, of requests and their results."""

from dataclasses import dataclass
from typing import NamedTuple


class ObjectKey(NamedTuple):
    """Namespace and name of an object; the namespace of a cluster-scoped object is the empty string."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


Request = ObjectKey
"""What a reconciler is asked to look at: a key and never an event, so that it acts on the level, not on the edge."""


class GroupVersionKind(NamedTuple):
    """Identity of a type. ``group`` is empty for the core group."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def parse_api_version(api_version: str) -> tuple[str, str]:
    """``apps/v1`` is ``("apps", "v1")``; ``v1`` is ``("", "v1")``."""
    group, _, version = api_version.rpartition("/")
    return group, version


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind together with where the API server serves it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        return self.gvk.api_version

    @property
    def group_resource(self) -> str:
        """``pods``, or ``xgboostjobs.training.kubedl.io``, as kubectl and error messages write it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection (all namespaces when ``namespace`` is empty), object or subresource."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
            if subresource:
                parts.append(subresource)
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconciler asks for after a success.

    ``requeue_after``: seconds until the key is looked at again; None (the default) waits for the next event. An
    earlier event cancels the wait. ``priority`` overrides the priority of that requeue; None keeps the present one.
    Trying again after an error is asked for by raising: see ``TerminalError`` for the exception to that.
    """

    requeue_after: float | None = None
    priority: int | None = None
