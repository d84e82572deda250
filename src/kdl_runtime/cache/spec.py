"""The declaration of a watch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from kdl_runtime.cache.index import OWNER_INDEX, IndexFunction, owner_uid_index
from kdl_runtime.cache.transform import Transform
from kdl_runtime.codec.meta import PartialObject
from kdl_runtime.types import Resource

if TYPE_CHECKING:
    # At run time Python 3.13 is the first to know defaults of type variables.
    import typing_extensions

    P = typing_extensions.TypeVar("P", bound=PartialObject, default=PartialObject)
else:
    P = TypeVar("P", bound=PartialObject)


def owner_index() -> dict[str, IndexFunction[PartialObject]]:
    """The standard index alone: ``WatchSpec(PODS, indexes=owner_index())``."""
    return {OWNER_INDEX: owner_uid_index}


def projection_only(obj: P) -> P:
    """A ``WatchSpec.shrink`` for watches whose readers want no more than the projection of any object."""
    return obj


@dataclass(frozen=True, slots=True)
class WatchSpec(Generic[P]):
    """What to watch and what to keep of it in decoded form.

    ``projection``: the struct that readers, predicates and indexes get.
    ``namespaces``: only these, each with a watch of its own; empty means all.
    ``label_selector``, ``field_selector``: as in kubectl. The server evaluates them: what they exclude never gets here.
    ``except_namespaces``: all namespaces but these, in one watch; not together with ``namespaces``. Kinds without
    namespaces ignore it.
    ``indexes``: name to function, for ``Informer.by_index``.
    ``transform``: changes the JSON of each object before anything else sees it, for example ``without_managed_fields``
    (``cache.transform``), which saves up to half of the memory. Idempotent; key, UID and resourceVersion must stay. An
    object for which it raises is left out, as one that cannot be decoded.
    ``shrink``: gives the smaller projection to keep instead of an object that nobody will read in full any more, and
    None for every other object. No JSON is kept of what it shrinks, so ``Informer.object`` and ``raw`` give None for
    it; readers, indexes and handlers see the smaller projection. Key, UID and resourceVersion must stay. Pure and
    quick. ``projection_only`` is one that keeps every projection as it is and no JSON at all.
    ``metadata_only``: the server sends the metadata alone, and ``Informer.object`` has nothing else.
    ``name`` tells several watches on one resource apart; the default is the plural.
    ``required``: whether the start waits for its first list. False for a kind that may be served later, or never: it
    is not asked for before it is served, and what uses it begins then.
    """

    resource: Resource
    projection: type[P] = PartialObject  # type: ignore[assignment]  # a default for the type parameter needs Python 3.13
    namespaces: tuple[str, ...] = ()
    except_namespaces: tuple[str, ...] = ()
    label_selector: str = ""
    field_selector: str = ""
    indexes: Mapping[str, IndexFunction[P]] = field(default_factory=dict)
    transform: Transform | None = None
    shrink: Callable[[P], P | None] | None = None
    metadata_only: bool = False
    name: str = ""
    required: bool = True

    def __post_init__(self) -> None:
        if self.namespaces and self.except_namespaces:
            raise ValueError(f"{self.resource.group_resource}: say either namespaces or except_namespaces, not both")
        if self.namespaces and not self.resource.namespaced:
            raise ValueError(f"{self.resource.group_resource} have no namespaces: leave WatchSpec.namespaces empty")

    @property
    def server_fields(self) -> str:
        """The field selector that the server evaluates: the declared one, and the namespaces that are left out."""
        left_out = self.except_namespaces if self.resource.namespaced else ()
        parts = [self.field_selector] if self.field_selector else []
        return ",".join(parts + [f"metadata.namespace!={namespace}" for namespace in left_out])

    @property
    def watch_name(self) -> str:
        return self.name or self.resource.plural

    def __str__(self) -> str:
        parts = [self.resource.group_resource]
        if self.name:
            parts.append(f"as {self.name!r}")
        if self.label_selector:
            parts.append(f"where {self.label_selector}")
        if self.namespaces:
            parts.append(f"in {', '.join(self.namespaces)}")
        if self.except_namespaces:
            parts.append(f"not in {', '.join(self.except_namespaces)}")
        return " ".join(parts)
