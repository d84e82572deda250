"""Where two answers to one request differ."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.differential.normal import Normal

ABSENT = "<absent>"
NOT_ACCEPTABLE = 406


@dataclass(frozen=True, slots=True)
class Difference:
    """``place`` is ``code``, ``header NAME``, ``warnings``, ``body.metadata.labels.x`` or ``events[2].object.kind``.

    ``path`` are the keys and indices below ``body`` or the object of an event.
    """

    place: str
    real: Any
    local: Any
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: real {_short(self.real)}, local {_short(self.local)}"


def _same_parts(place: str, real: Any, local: Any) -> bool:
    """Whether two messages list the same errors, in whatever order."""
    if not place.endswith("message") or not isinstance(real, str) or not isinstance(local, str):
        return False
    return sorted(re.split(r", |: \[|\]$", real)) == sorted(re.split(r", |: \[|\]$", local))


def _told(answer: Normal) -> str:
    """The code, and in a refusal its reason and message."""
    body = answer.body if isinstance(answer.body, dict) else {}
    return " ".join(str(part) for part in (answer.code, body.get("reason", ""), body.get("message", "")) if part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:600]}…"


def differences(real: Normal, local: Normal) -> list[Difference]:
    """In the order in which they tell most: code first."""
    return list(_differences(real, local))


def _differences(real: Normal, local: Normal) -> Iterator[Difference]:
    if real.broken or local.broken:
        if real.broken != local.broken:
            yield Difference("connection", real.broken, local.broken)
        return
    if real.code != local.code:
        # The rest follows from it.
        yield Difference("code", _told(real), _told(local))
        return
    for name in sorted({*real.headers, *local.headers}):
        yield from _values(f"header {name}", real.headers.get(name, ABSENT), local.headers.get(name, ABSENT))
    if real.code != NOT_ACCEPTABLE:
        # Whether a version is warned of before or after its form is refused is nobody's business.
        yield from _values("warnings", real.warnings, local.warnings)
    yield from _values("body", real.body, local.body)
    if (real.events is None) != (local.events is None):
        yield Difference("stream", real.events is not None, local.events is not None)
    elif real.events is not None and local.events is not None:
        yield from _events(real.events, local.events)


def _events(real: list[tuple[str, Any]], local: list[tuple[str, Any]]) -> Iterator[Difference]:
    if len(real) != len(local):
        yield Difference("number of events", [_event(*event) for event in real], [_event(*event) for event in local])
        return
    for index, (one, other) in enumerate(zip(real, local, strict=True)):
        yield from _values(f"events[{index}].type", one[0], other[0])
        yield from _values(f"events[{index}].object", one[1], other[1])


def _event(type_: str, obj: Any) -> str:
    if obj.get("kind") == "Table":
        obj = obj["rows"][0].get("object") or obj
    meta = obj.get("metadata") or {}
    return f"{type_} {meta.get('name', obj.get('message', ''))} {meta.get('resourceVersion', '')}"


def _values(place: str, real: Any, local: Any, path: tuple[str | int, ...] = ()) -> Iterator[Difference]:
    if isinstance(real, dict) and isinstance(local, dict):
        for name in sorted({*real, *local}):
            yield from _values(f"{place}.{name}", real.get(name, ABSENT), local.get(name, ABSENT), (*path, name))
    elif isinstance(real, list) and isinstance(local, list) and len(real) == len(local):
        for index, (one, other) in enumerate(zip(real, local, strict=True)):
            yield from _values(f"{place}[{index}]", one, other, (*path, index))
    elif (type(real) is not type(local) or real != local) and not _same_parts(place, real, local):
        yield Difference(place, real, local, path)
