"""The shortest sequence that still shows a difference, by leaving out and simplifying."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from conformance.differential.steps import Step

Shows = Callable[[Sequence[Step]], Awaitable[bool]]


async def shrink(steps: Sequence[Step], shows: Shows) -> list[Step]:
    """``shows`` runs a sequence and tells whether the difference is there. The result is 1-minimal in its steps."""
    current = await _without_steps(list(steps), shows)
    for index in range(len(current)):
        current[index] = await _simpler(current, index, shows)
    return current


async def _without_steps(steps: list[Step], shows: Shows) -> list[Step]:
    size = max(len(steps) // 2, 1)
    while True:
        start, changed = 0, False
        while start < len(steps):
            candidate = steps[:start] + steps[start + size :]
            if candidate and await shows(candidate):
                steps, changed = candidate, True
            else:
                start += size
        if size == 1 and not changed:
            return steps
        size = max(size // 2, 1)


async def _simpler(steps: list[Step], index: int, shows: Shows) -> Step:
    """The step with fewer query parameters and a smaller body."""

    async def holds(step: Step) -> bool:
        return await shows([*steps[:index], step, *steps[index + 1 :]])

    step = steps[index]
    for item in step.query:
        if item[0] == "watch":
            continue
        candidate = replace(step, query=tuple(other for other in step.query if other != item))
        if item in step.query and await holds(candidate):
            step = candidate
    place = 0
    while place < len(paths := _paths(step.body)):
        candidate = replace(step, body=_without(step.body, paths[place]))
        if await holds(candidate):
            step = candidate
        else:
            place += 1
    return step


def _paths(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be left out, the large parts first."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    found = [(*path, key) for key, _ in items if key not in ("name", "apiVersion", "kind")]
    for key, value in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        found += _paths(value, (*path, key))
    return found


def _without(body: Any, path: tuple[Any, ...]) -> Any:
    key, *rest = path
    if isinstance(body, list):
        copy: Any = list(body)
    else:
        copy = dict(body)
    if rest:
        copy[key] = _without(copy[key], tuple(rest))
    else:
        del copy[key]
    return copy
