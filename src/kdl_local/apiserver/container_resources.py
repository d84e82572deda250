"""Whether a container may ask for what it asks for (``ValidateContainerResourceRequirements`` of Kubernetes)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.names import qualified_name
from kdl_runtime.codec.quantity import parse_quantity

_HUGE = "hugepages-"
_OF_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
_OF_QUOTAS = frozenset(
    {
        *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "storage"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers", "requests.storage"),
        *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _OF_CONTAINERS),
    }
)
_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def resource_errors(resources: Mapping[str, Any], path: str) -> Iterable[FieldError]:
    """``resources`` of a container whose defaults are filled in, so that limits are requests too."""
    amounts: dict[str, dict[str, Decimal]] = {"limits": {}, "requests": {}}
    for kind, found in amounts.items():
        for name, value in (resources.get(kind) or {}).items():
            where = f"{path}.{kind}[{name}]"
            try:
                found[name] = parse_quantity(value)
            except ValueError:
                yield FieldError.invalid(where, value, _QUANTITY)
                continue
            yield from _name_errors(name, where)
            yield from _amount_errors(name, value, found[name], where)
    yield from _request_errors(resources, amounts, path)
    names = amounts["limits"].keys() | amounts["requests"].keys()
    if any(name.startswith(_HUGE) for name in names) and not names & {"cpu", "memory"}:
        yield FieldError.forbidden(path, "HugePages require cpu or memory")


def _name_errors(name: str, path: str) -> Iterable[FieldError]:
    for problem in (problems := qualified_name(name)):
        yield FieldError.invalid(path, name, problem)
    known = name in _OF_CONTAINERS or name.startswith(_HUGE)
    if "/" not in name:
        if not problems and not known and name not in _OF_QUOTAS:
            yield FieldError.invalid(path, name, "must be a standard resource type or fully qualified")
        if not known:
            yield FieldError.invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        yield FieldError.invalid(path, name, "doesn't follow extended resource name standard")


def _amount_errors(name: str, value: Any, amount: Decimal, path: str) -> Iterable[FieldError]:
    if amount < 0:
        yield FieldError.invalid(path, value, "must be greater than or equal to 0")
    if (_is_extended(name) or name in _OF_QUOTAS) and amount % 1:
        yield FieldError.invalid(path, value, "must be an integer")
    if name.startswith(_HUGE) and amount % _page(name):
        yield FieldError.invalid(path, value, f"{value} is not positive integer multiple of {name}")


def _request_errors(
    resources: Mapping[str, Any], amounts: Mapping[str, Mapping[str, Decimal]], path: str
) -> Iterable[FieldError]:
    for name, wanted in amounts["requests"].items():
        limit, fixed = amounts["limits"].get(name), not _is_native(name) or name.startswith(_HUGE)
        if limit is None:
            if fixed:
                yield FieldError.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif wanted > limit or (fixed and wanted < limit):
            rule = "equal to" if fixed else "less than or equal to"
            detail = f"must be {rule} {name} limit of {resources['limits'][name]}"
            yield FieldError.invalid(f"{path}.requests", resources["requests"][name], detail)


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    return not _is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def _page(name: str) -> Decimal:
    """The size of a huge page; 1 where the name tells none."""
    try:
        return parse_quantity(name.removeprefix(_HUGE)) or Decimal(1)
    except ValueError:
        return Decimal(1)
