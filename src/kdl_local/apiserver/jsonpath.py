"""The subset of JSONPath that printer columns, scale paths and selectable fields of CRDs use.

``.spec.replicas``, ``.items[0]``, ``.items[-1:]``, ``.items[*].name``, ``['a.b']``, ``a\\.b``,
``[?(@.type=="Ready")].status``. Syntax of ``k8s.io/client-go/util/jsonpath``, without ranges and recursion.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Step = Callable[[list[Any]], list[Any]]

_NAME = re.compile(r"\.?((?:\\.|[^.\[\]\\'\"(){}\s])+)")
_QUOTED = re.compile(r"\[(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\]")
_INDEX = re.compile(r"\[(-?\d+)\]")
_SLICE = re.compile(r"\[(-?\d*):(-?\d*)\]")
_WILDCARD = re.compile(r"\.?\*|\[\*\]")
_FILTER = re.compile(r"\[\?\(\s*@((?:\.(?:\\.|[^.\[\]\\=!<>\s)])+)+)\s*(?:(==|!=|<=|>=|<|>)\s*([^)]+?)\s*)?\)\]")


class PathError(ValueError):
    """A path that is not in the subset."""


@lru_cache(maxsize=4096)
def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """A function from an object to the values that the path finds, in order; none where something is absent.

    Raises PathError for a path that is not understood.
    """
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        step, position = _parse_step(text, position)
        steps.append(step)

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = step(values)
        return values

    return find


def _parse_step(text: str, position: int) -> tuple[Step, int]:
    if match := _QUOTED.match(text, position):
        return _field(_unescaped(match[1] if match[1] is not None else match[2])), match.end()
    if match := _INDEX.match(text, position):
        return _index(int(match[1])), match.end()
    if match := _SLICE.match(text, position):
        return _slice(int(match[1]) if match[1] else None, int(match[2]) if match[2] else None), match.end()
    if match := _WILDCARD.match(text, position):
        return _children, match.end()
    if match := _FILTER.match(text, position):
        return _filter(match[1], match[2] or "", match[3] or ""), match.end()
    if text[position] == "." and text[position + 1 : position + 2] == "[":
        return _parse_step(text, position + 1)
    if text == ".":
        return list, 1
    if match := _NAME.match(text, position):
        return _field(_unescaped(match[1])), match.end()
    raise PathError(f"JSON path {text!r} is not supported from {text[position:]!r}")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _field(name: str) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [value[name] for value in values if isinstance(value, dict) and name in value]

    return step


def _index(index: int) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [value[index] for value in values if isinstance(value, list) and -len(value) <= index < len(value)]

    return step


def _slice(start: int | None, stop: int | None) -> Step:
    def step(values: list[Any]) -> list[Any]:
        return [item for value in values if isinstance(value, list) for item in value[start:stop]]

    return step


def _children(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found.extend(value)
        elif isinstance(value, dict):
            found.extend(value.values())
    return found


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _filter(path: str, operator: str, literal: str) -> Step:
    find = compile_path(path)
    wanted = _literal(literal)

    def holds(item: Any) -> bool:
        found = find(item)
        if not found:
            return False
        if not operator:
            return True
        try:
            return _COMPARISONS[operator](found[0], wanted)
        except TypeError:
            return False

    def step(values: list[Any]) -> list[Any]:
        return [item for value in values if isinstance(value, list) for item in value if holds(item)]

    return step


def _literal(text: str) -> Any:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return _unescaped(text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
