"""Objects with one thing wrong somewhere."""

import random
from typing import Any

from kdl_runtime.codec.json import decode, encode

_ODD: tuple[Any, ...] = (
    None,
    "",
    "text",
    "UPPER Case",
    "a" * 300,
    0,
    -1,
    1.5,
    True,
    [],
    {},
    {"odd": 1},
    ["a", "a"],
)
_ODD_LABELS: tuple[Any, ...] = (
    {"a b": "c"},
    {"app": "-x"},
    {"example.com/": "x"},
    {"/x": "y"},
    {"a" * 64: "x"},
    {"x": "a" * 64},
    {"x": 1},
)
_CONTROLLER = {"apiVersion": "v1", "kind": "Pod", "name": "y", "uid": "u", "controller": True}
_ODD_META: tuple[dict[str, Any], ...] = (
    {"name": "UPPER"},
    {"name": "a.b"},
    {"name": "-x"},
    {"name": "a" * 64},
    {"name": "a" * 254},
    {"name": ""},
    {"name": "a/b"},
    {"namespace": "fz-b"},
    {"namespace": ""},
    {"uid": "11111111-2222-3333-4444-555555555555"},
    {"resourceVersion": "5"},
    {"finalizers": ["plain"]},
    {"finalizers": ["example.com/a", "example.com/a"]},
    {"finalizers": ["orphan", "foregroundDeletion"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "y"}]},
    {"ownerReferences": [_CONTROLLER, {**_CONTROLLER, "uid": "v"}]},
    {"annotations": {"a b": "c"}},
    {"annotations": {"a": "b" * 300_000}},
    {"annotations": {"a": 1}},
    {"creationTimestamp": "yesterday"},
    {"deletionTimestamp": "2020-01-01T00:00:00Z"},
    {"selfLink": "/x"},
    {"unknown": 1},
    {"labels": []},
)


def mutated(rng: random.Random, obj: dict[str, Any]) -> Any:
    """A copy with a field of the metadata, or of anything below, changed into something that may be refused."""
    copy: dict[str, Any] = decode(encode(obj))
    way = rng.random()
    if way < 0.35:
        copy["metadata"] |= rng.choice(_ODD_META)
    elif way < 0.45:
        copy["metadata"]["labels"] = rng.choice(_ODD_LABELS)
    elif way < 0.55:
        copy |= rng.choice([{"kind": "Other"}, {"apiVersion": "v2"}, {"apiVersion": "a/b/c"}, {"kind": 1}, {"odd": {}}])
    elif way < 0.6:
        copy.pop(rng.choice(["kind", "apiVersion", "metadata"]))
    else:
        _spoil(rng, copy)
    return copy


def _spoil(rng: random.Random, copy: dict[str, Any]) -> None:
    # Go reads a list as bytes, too.
    encoded = [copy.get(name) for name in ("data", "binaryData", "stringData")]
    places = [
        (holder, key)
        for holder, key in _places(copy)
        if key not in ("apiVersion", "kind", "metadata") and not any(holder is item for item in encoded)
    ]
    if not places:
        return
    holder, key = rng.choice(places)
    way = rng.random()
    if way < 0.2:
        del holder[key]
    elif way < 0.3 and isinstance(holder[key], dict):
        holder[key]["unknownField"] = 1
    elif way < 0.4 and isinstance(holder[key], list):
        holder[key] = holder[key] * 2
    else:
        holder[key] = rng.choice(_ODD)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every key of every object and index of every list, outside of the metadata."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key == "metadata":
            continue
        found.append((value, key))
        found += _places(item)
    return found
