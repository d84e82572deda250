"""Which objects of a type a list, a watch or a deletecollection is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdl_local.apiserver.storage import Collection, Entry
from kdl_local.apiserver.types import ResourceType
from kdl_runtime.codec.selectors import EVERY_FIELD, EVERYTHING, FieldSelector, LabelSelector
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import ObjectKey

_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Selection:
    """A namespace (empty: all), a label selector and a field selector."""

    type: ResourceType
    namespace: str = ""
    labels: LabelSelector = EVERYTHING
    fields: FieldSelector = EVERY_FIELD

    def __post_init__(self) -> None:
        for requirement in self.fields.requirements:
            label = requirement.field
            if self.type.selects(label):
                continue
            if self.type.custom or self.type.selectable_fields:
                raise BadRequest(f"field label not supported: {label}")
            raise BadRequest(f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"')

    @classmethod
    def parse(cls, type_: ResourceType, namespace: str, label_selector: str, field_selector: str) -> "Selection":
        """BadRequest for a selector that cannot be read or names a field that this type does not offer."""
        labels = LabelSelector.parse(label_selector) if label_selector else EVERYTHING
        fields = FieldSelector.parse(field_selector) if field_selector else EVERY_FIELD
        return cls(type_, namespace, labels, fields)

    @property
    def selective(self) -> bool:
        """Whether an object of the namespace may be left out, or come and go without being created and deleted."""
        return not (self.labels.empty and self.fields.empty)

    def matches(self, entry: Entry) -> bool:
        if self.namespace and entry.key.namespace != self.namespace:
            return False
        return not self.selective or self._selects(entry.object)

    def _selects(self, stored: dict[str, Any]) -> bool:
        if not self.labels.matches(stored["metadata"].get("labels") or _NO_LABELS):
            return False
        if self.fields.empty:
            return True
        shown = self.type.from_storage(stored)
        return self.fields.matches(lambda label: self.type.select(shown, label))

    @property
    def key(self) -> ObjectKey | None:
        """The one object that this can be about, if the field selector names it."""
        name = self.fields.exact("metadata.name")
        namespace = self.namespace or self.fields.exact("metadata.namespace") or ""
        if name is None or (self.type.namespaced and not namespace):
            return None
        return ObjectKey(namespace, name)

    @property
    def indexed(self) -> bool:
        """Whether the real server finds the objects by an index, so that it knows of each what comes after it."""
        return self.key is not None or self.fields.exact("spec.nodeName") is not None

    def entries(self, collection: Collection) -> list[Entry]:
        """The present objects that are selected, in order of namespace and name."""
        key = self.key
        if key is not None:
            entry = collection.get(key)
            return [entry] if entry is not None and self.matches(entry) else []
        return self.pick(collection.entries(self.namespace))

    def pick(self, entries: list[Entry]) -> list[Entry]:
        if not self.selective:
            return entries
        return [entry for entry in entries if self._selects(entry.object)]
