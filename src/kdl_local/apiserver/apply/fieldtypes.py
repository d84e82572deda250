"""Of which type a field is, as far as merging goes: what is one value, and what is merged part by part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kdl_local.apiserver.apply.fieldset import key_element, named_element, value_element


class Form(Enum):
    """What a value of a field is treated as."""

    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"


@dataclass(slots=True, eq=False)
class ListType:
    """A list that is ``atomic`` is one value. Others are merged by the ``keys`` of their elements, or, without keys, as
    sets. ``defaults`` are the values of keys that an element may leave out.
    """

    element: "FieldType"
    atomic: bool = True
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def element_of(self, item: Any) -> str:
        """The path element of an item of a list that is not atomic. ValueError for an item without any."""
        if not self.keys:
            if item is None or isinstance(item, dict | list):
                found = {dict: "that's a map type", list: "that's a list", type(None): "that's an explicit null"}
                raise ValueError(f"associative list without keys has an element {found[type(item)]}")
            return value_element(item)
        if not isinstance(item, dict):
            what = "a null element" if item is None else "non-map elements"
            raise ValueError(f"associative list with keys may not have {what}")
        if len(self.keys) == 1 and type(item.get(self.keys[0])) is str:
            return named_element(self.keys[0], item[self.keys[0]])
        values = {}
        for key in self.keys:
            if key in item:
                values[key] = item[key]
            elif key in self.defaults:
                values[key] = self.defaults[key]
        if not values:
            names = " ".join(f'"{key}"' for key in self.keys)
            raise ValueError(
                f"associative list with keys has an element that omits all key fields [{names}] "
                "(and doesn't have default values for any key fields)"
            )
        return key_element(values)


@dataclass(slots=True, eq=False)
class MapType:
    """An object. One that is ``atomic`` is one value.

    ``fields`` are declared; ``element`` is the type of all others, None where there may be none. ``always`` are fields
    that every object has in the real server, with the value that stands for their absence here.
    """

    fields: dict[str, "FieldType"] = field(default_factory=dict)
    element: "FieldType | None" = None
    atomic: bool = False
    always: dict[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> "FieldType | None":
        """The type of a field; None for one that there may not be."""
        return self.fields.get(name, self.element)


@dataclass(slots=True, eq=False, weakref_slot=True)
class FieldType:
    """The forms that a value may have: one where it is declared, several where its type has to be deduced.

    ``scalar`` is empty where the value can be none, else ``numeric``, ``string``, ``boolean``, or ``untyped`` for any.
    ``loose``: values may change between a number and a boolean.
    """

    scalar: str = ""
    list: ListType | None = None
    map: MapType | None = None
    loose: bool = False

    def form(self, value: Any) -> Form:
        """How a value is treated; one that fits no form is treated as what the type would be first of all."""
        if isinstance(value, dict):
            if self.map is not None:
                return Form.MAP
        elif isinstance(value, list):
            if self.list is not None:
                return Form.LIST
        elif value is not None and self.scalar:
            return Form.SCALAR
        if self.map is not None:
            return Form.MAP
        return Form.SCALAR if self.scalar else Form.LIST


def _untyped() -> FieldType:
    found = FieldType("untyped", loose=True)
    found.list, found.map = ListType(found), MapType(element=found, atomic=True)
    return found


UNTYPED = _untyped()
"""Any value, as one."""


def _deduced() -> FieldType:
    found = FieldType("untyped", ListType(UNTYPED), loose=True)
    found.map = MapType(element=found)
    return found


DEDUCED = _deduced()
"""Any value: objects are merged field by field, lists are one value."""


def list_type(schema: Mapping[str, Any], element: FieldType) -> ListType:
    """From the extensions of a schema of a list; ``patchStrategy`` counts where there is no list type."""
    kind, keys = schema.get("x-kubernetes-list-type"), tuple(schema.get("x-kubernetes-list-map-keys") or ())
    strategy, merge_key = schema.get("x-kubernetes-patch-strategy"), schema.get("x-kubernetes-patch-merge-key")
    if kind is None and strategy in ("merge", "merge,retainKeys"):
        return ListType(element, atomic=False, keys=(merge_key,) if merge_key else ())
    return ListType(element, atomic=kind not in ("set", "map"), keys=keys if kind == "map" else ())


def scalar_of(schema: Mapping[str, Any]) -> str:
    """The scalar type of a schema that is neither of an object nor of a list."""
    match schema.get("type"):
        case "integer" | "number":
            return "numeric"
        case "boolean":
            return "boolean"
        case "string" if schema.get("format", "") in ("", "byte"):
            return "string"
    return "untyped"
