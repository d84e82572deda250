"""Comparison of what is wanted with what the API server has stored: fields that it has filled in are no difference.

A controller that compares for equality updates for ever: the server adds defaults, writes ``1000m`` as ``1`` and drops
empty lists, and the next comparison finds a difference again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kdl_runtime.codec.patch import json_equal
from kdl_runtime.codec.quantity import parse_quantity

QUANTITY_PARENTS = frozenset({"limits", "requests", "hard", "capacity", "default", "defaultRequest", "overhead"})
"""Maps whose values are quantities, which are compared by their amount."""

EXACT_MAPS = frozenset(
    {"data", "binaryData", "stringData", "labels", "annotations", "matchLabels", "nodeSelector", "selector"}
)
"""Maps with keys of the user's own, to which the server adds none: a new map replaces the old one completely."""


def subset_equal(wanted: Any, stored: Any, name: str = "") -> bool:
    """Whether every field that is wanted is stored with that value; what else is stored does not count.

    Lists must have the same length, and their elements are compared in order. None and the empty list are wanted
    where there is nothing, too. ``name`` is that of the field, or of the map that a scalar is in.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(stored, Mapping):
            return False
        return all(subset_equal(value, stored.get(key), _name(value, key, name)) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(stored, list):
            return not wanted and stored is None
        return len(wanted) == len(stored) and all(map(subset_equal, wanted, stored))
    return scalar_equal(wanted, stored, name)


def scalar_equal(wanted: Any, stored: Any, map_name: str = "") -> bool:
    """Equality of two values that are no containers; of quantities by their amount."""
    if json_equal(wanted, stored):
        return True
    if map_name not in QUANTITY_PARENTS or not isinstance(wanted, str | int | float) or not isinstance(stored, str):
        return False
    try:
        return parse_quantity(wanted) == parse_quantity(stored)
    except ValueError:
        return False


class Originals:
    """The containers of an object as it was got, to tell afterwards which of them were replaced by new ones."""

    def __init__(self, obj: Mapping[str, Any]) -> None:
        # Kept, since the identity of what is gone may become that of something new.
        self._kept = list(_containers(obj))
        self._identities = frozenset(map(id, self._kept))

    def has(self, value: Any) -> bool:
        return id(value) in self._identities


def with_stored_defaults(changed: Any, stored: Any, originals: Originals, name: str = "") -> Any:
    """``changed``, which was made from a copy of ``stored``, with what it left open filled in from ``stored``.

    A dict that was put in the place of another leaves open what it does not name, except for ``EXACT_MAPS``. A key that
    was taken out of a dict that was there is gone. Elements of lists are matched by ``name``, else by place.
    """
    if isinstance(changed, dict) and isinstance(stored, dict):
        filled = {
            key: with_stored_defaults(value, stored.get(key), originals, _name(value, key, name))
            for key, value in changed.items()
            if not _is_nothing(value, key, stored)
        }
        if originals.has(changed) or name in EXACT_MAPS:
            return filled
        return {**{key: value for key, value in stored.items() if key not in changed}, **filled}
    if isinstance(changed, list) and isinstance(stored, list):
        counterparts = _counterparts(changed, stored)
        return [
            with_stored_defaults(item, counterpart, originals)
            for item, counterpart in zip(changed, counterparts, strict=True)
        ]
    return stored if not isinstance(changed, dict | list) and scalar_equal(changed, stored, name) else changed


def _is_nothing(value: Any, key: str, stored: Mapping[str, Any]) -> bool:
    """Whether a field says no more than that there is none: what the server does not store."""
    if value is None:
        return key not in stored or stored[key] is not None
    return value == [] and key not in stored


def _name(value: Any, key: str, map_name: str) -> str:
    return key if isinstance(value, dict | list) else map_name


def _counterparts(changed: list[Any], stored: list[Any]) -> list[Any]:
    if all(isinstance(item, dict) and "name" in item for item in changed):
        by_name = {item.get("name"): item for item in stored if isinstance(item, dict)}
        return [by_name.get(item["name"]) for item in changed]
    return stored[: len(changed)] + [None] * (len(changed) - len(stored))


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)
