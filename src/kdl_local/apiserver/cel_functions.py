"""Functions that Kubernetes adds to CEL, where the library lacks them.

https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
A quantity is represented by its exact decimal spelling. What is missing (URLs, IP addresses, optional field selection,
``format``) is refused when the rule is compiled.
"""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from cel import Context, stdlib

from kdl_local.apiserver.regex import compile_re2
from kdl_runtime.codec.quantity import parse_quantity


def _is_sorted(items: list[Any]) -> bool:
    return all(left <= right for left, right in pairwise(items))


def _find(text: str, pattern: str) -> str:
    found = compile_re2(pattern).search(text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in compile_re2(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _index_of(value: Any, item: Any, offset: int = 0) -> int:
    if isinstance(value, str):
        return stdlib.index_of(value, item, offset)
    return value.index(item) if item in value else -1


def _last_index_of(value: Any, item: Any, offset: int | None = None) -> int:
    if isinstance(value, str):
        return stdlib.last_index_of(value, item, offset)
    return max((index for index, found in enumerate(value) if found == item), default=-1)


def _quantity(text: str) -> str:
    return f"{parse_quantity(text):f}"


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _compare(left: str, right: str) -> int:
    a, b = parse_quantity(left), parse_quantity(right)
    return (a > b) - (a < b)


def _sign(text: str) -> int:
    return _compare(text, "0")


def _is_integer(text: str) -> bool:
    value = parse_quantity(text)
    return value == value.to_integral_value()


KUBERNETES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "asApproximateFloat": lambda text: float(parse_quantity(text)),
        "asInteger": lambda text: int(parse_quantity(text)),
        "compareTo": _compare,
        "find": _find,
        "findAll": _find_all,
        "indexOf": _index_of,
        "isGreaterThan": lambda left, right: _compare(left, right) > 0,
        "isInteger": _is_integer,
        "isLessThan": lambda left, right: _compare(left, right) < 0,
        "isQuantity": _is_quantity,
        "isSorted": _is_sorted,
        "lastIndexOf": _last_index_of,
        "quantity": _quantity,
        "sign": _sign,
    }
)

_NATIVE = (
    "abs bool bytes contains double duration dyn endsWith getDate getDayOfMonth getDayOfWeek getDayOfYear "
    "getFullYear getHours getMilliseconds getMinutes getMonth getSeconds has hasValue int matches or orValue "
    "size startsWith string timestamp type uint value @in @not_strictly_false"
)
_OPERATOR = re.compile(r"[-!_&|<>=+*/%?:\[\]@]+")


def _registered() -> tuple[Context, frozenset[str]]:
    context = Context()
    stdlib.add_stdlib_to_context(context)
    names = {name.rpartition(".")[2] for name in (*context.functions, *KUBERNETES)}
    return context, frozenset(names | set(_NATIVE.split()))


_KNOWN = _registered()[1]


def new_context() -> Context:
    """A context with every function, and no variable yet."""
    context = Context()
    stdlib.add_stdlib_to_context(context)
    for name, function in KUBERNETES.items():
        context.add_function(name, function)
    return context


def unknown_functions(names: list[str]) -> list[str]:
    """Those of the names that a program calls that nothing here defines."""
    return [name for name in names if name not in _KNOWN and not _OPERATOR.fullmatch(name)]
