"""Reading in which order a job's roles start."""

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kdl_workloads.dialects.base import SpecError

PHASES = ("Running", "Ready", "Succeeded")


def read_depends_on(value: Mapping[str, Any], path: str, roles: Collection[str]) -> dict[str, str] | None:
    """Upstream role -> phase, as the user gives it; None if the user says nothing. ``roles`` are those of the job: one
    that it does not have would be waited for in vain."""
    given = value.get("dependsOn")
    if given is None:
        return None
    path = f"{path}.dependsOn"
    if not isinstance(given, list):
        raise SpecError(path, f"is {given!r} and must be a list")
    result = {}
    for position, item in enumerate(given):
        if not isinstance(item, Mapping):
            raise SpecError(f"{path}[{position}]", f"is {item!r} and must be an object")
        upstream = next((role for role in roles if role.lower() == str(item.get("upstream")).lower()), None)
        if upstream is None:
            names = ", ".join(roles)
            raise SpecError(f"{path}[{position}].upstream", f"is {item.get('upstream')!r}: this job has {names}")
        phase = item.get("onPhase") or PHASES[0]
        if phase not in PHASES:
            raise SpecError(f"{path}[{position}].onPhase", f"is {phase!r} and must be one of {', '.join(PHASES)}")
        result[upstream] = phase
    return result


def check_order(
    path: str, given: Mapping[str, Mapping[str, str] | None], built_in: Mapping[str, Collection[str]]
) -> None:
    """SpecError if roles wait for each other in a circle, by what the user gives and, where that is None, by what the
    kind has built in."""
    graph = {role: built_in.get(role, ()) if upstream is None else upstream for role, upstream in given.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise SpecError(f"{path}.{error.args[1][0]}.dependsOn", f"waits for itself: {circle}") from None
