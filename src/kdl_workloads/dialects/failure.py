"""Reading what a run policy says about failures."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kdl_workloads.dialects.base import SpecError
from kdl_workloads.job import ExitCodes, FailureAction, FailureRule, RestartScope

T = TypeVar("T")

FIELDS = ("restartScope", "failureRules", "stopOnFailure")
MAX_PATTERN = 256
_CRITERIA = ("roles", "onExitCodes", "onSignals", "onReasons", "onPodConditions", "onNodeConditions", "onMessage")


def restart_scope(values: Mapping[str, Any], path: str) -> RestartScope:
    value = values.get("restartScope") or RestartScope.POD
    if value not in list(RestartScope):
        raise SpecError(f"{path}.restartScope", f"is {value!r} and must be one of {', '.join(RestartScope)}")
    return RestartScope(value)


def failure_rules(values: Mapping[str, Any], path: str) -> tuple[FailureRule, ...]:
    """The rules in their order. SpecError names the rule and the field that cannot be read."""
    rules = values.get("failureRules") or []
    path = f"{path}.failureRules"
    if not isinstance(rules, list):
        raise SpecError(path, f"is {rules!r} and must be a list")
    return tuple(_rule(value, f"{path}[{position}]") for position, value in enumerate(rules))


def _rule(value: Any, path: str) -> FailureRule:
    if not isinstance(value, Mapping):
        raise SpecError(path, f"is {value!r} and must be an object")
    if not any(value.get(name) is not None for name in _CRITERIA):
        raise SpecError(path, f"must say when it holds: give it one of {', '.join(_CRITERIA)}")
    action = value.get("action")
    if action not in list(FailureAction):
        raise SpecError(f"{path}.action", f"is {action!r} and must be one of {', '.join(FailureAction)}")
    return FailureRule(
        action=FailureAction(action),
        counts=False if action == FailureAction.IGNORE else value.get("count"),
        roles=_set(value, "roles", path, lambda role: str(role).lower()),
        exit_codes=_exit_codes(value.get("onExitCodes"), f"{path}.onExitCodes"),
        signals=_set(value, "onSignals", path, int),
        reasons=_set(value, "onReasons", path, str),
        pod_conditions=_set(value, "onPodConditions", path, _condition),
        node_conditions=_set(value, "onNodeConditions", path, _condition),
        message=_pattern(value.get("onMessage"), f"{path}.onMessage"),
    )


def _set(value: Mapping[str, Any], name: str, path: str, convert: Callable[[Any], T]) -> frozenset[T] | None:
    items = value.get(name)
    if items is None:
        return None
    try:
        return frozenset(convert(item) for item in items)
    except (TypeError, ValueError, KeyError) as error:
        raise SpecError(f"{path}.{name}", f"is {items!r} and cannot be read") from error


def _condition(value: Mapping[str, Any]) -> tuple[str, str]:
    return str(value["type"]), str(value.get("status") or "True")


def _exit_codes(value: Any, path: str) -> ExitCodes | None:
    if value is None:
        return None
    try:
        operator, codes = value["operator"], frozenset(int(code) for code in value["values"])
    except (TypeError, ValueError, KeyError) as error:
        raise SpecError(path, f"is {value!r} and must have an operator and values") from error
    if operator not in ("In", "NotIn"):
        raise SpecError(f"{path}.operator", f"is {operator!r} and must be In or NotIn")
    return ExitCodes(codes, within=operator == "In")


def _pattern(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN:
        raise SpecError(path, f"must be a text of 1 to {MAX_PATTERN} characters")
    return value
