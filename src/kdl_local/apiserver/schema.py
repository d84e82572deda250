"""The schema of one version of a custom resource: pruning, defaulting and validation."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kdl_local.apiserver.checks import Path, formatted
from kdl_local.apiserver.fields import ErrorType, FieldError
from kdl_local.apiserver.node import Node, compile_schema
from kdl_local.apiserver.types import Object

_SEGMENT = re.compile(r"[^.\[\]]+")
BLOCKING = frozenset(
    {ErrorType.NOT_SUPPORTED, ErrorType.REQUIRED, ErrorType.TOO_LONG, ErrorType.TOO_MANY, ErrorType.TYPE_INVALID}
)
"""Errors after which rules cannot be evaluated; others leave them to be reported as well."""
_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


class StructuralSchema:
    """A compiled ``openAPIV3Schema``. ``rules``, the CEL rules, see an object in which every field is of
    the type and size that they count on.

    A version without a schema, or with ``x-kubernetes-preserve-unknown-fields`` at its root, keeps every field.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        rules: Callable[[Object, Object | None], list[FieldError]] | None = None,
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._root = replace(compile_schema(schema), embedded=True)

    def openapi(self) -> Mapping[str, Any]:
        return self._schema

    def prune(self, obj: Object) -> list[str]:
        """Drops unknown fields in place; returns their paths."""
        unknown: list[str] = []
        prune_fields(obj, self._root, unknown)
        return unknown

    def default(self, obj: Object, *, keep_nulls: bool = False) -> None:
        """Fills in defaults in place. A null is replaced by the default, or dropped, unless the field is nullable."""
        _default(obj, self._root, keep_nulls)

    def validate(self, obj: Object, old: Object | None, *, blocked: bool = False) -> list[FieldError]:
        errors: list[FieldError] = []
        self._root.validate(obj, None, errors)
        if old is not None:
            errors = [error for error in errors if not _unchanged(obj, old, error.path)]
        if self._rules is None:
            return errors
        if blocked or any(error.type in BLOCKING for error in errors):
            return [*errors, FieldError.invalid("", None, _NOT_CHECKED)]
        return errors + self._rules(obj, old)


def _unchanged(new: Any, old: Any, path: str) -> bool:
    """Whether the refused field, or an object or list around it, is what was stored before.

    Such errors are let pass, so that a schema that became stricter does not stop every later write of old objects
    (https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4008-crd-ratcheting). Items of lists
    have no counterpart in the old list, so a list is compared as a whole.
    """
    for match in _SEGMENT.finditer(path):
        if isinstance(new, list) or isinstance(old, list):
            break
        if not (isinstance(new, dict) and isinstance(old, dict)):
            return False
        if match[0] not in new or match[0] not in old:
            # A field that is missing is missing in what surrounds it.
            return match.end() == len(path) and new == old
        new, old = new[match[0]], old[match[0]]
    return bool(path and new == old)


def prune_fields(value: Any, node: Node, unknown: list[str], path: Path = None) -> None:
    """Drops the fields of ``value`` that ``node`` does not know, in place, and appends their paths to ``unknown``."""
    if isinstance(value, dict):
        properties, additional = node.properties, node.additional
        gone: list[str] = []
        for name, item in value.items():
            known = properties.get(name, additional)
            if node.embedded and name in _META_FIELDS:
                continue
            if known is not None:
                if isinstance(item, dict | list):
                    prune_fields(item, known, unknown, (path, f".{name}"))
            elif not node.preserve:
                gone.append(name)
        for name in gone:
            del value[name]
            unknown.append(formatted((path, f".{name}")))
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            prune_fields(item, node.items, unknown, (path, f"[{index}]"))


def _default(value: Any, node: Node, keep_nulls: bool) -> None:
    if isinstance(value, dict):
        for name, child in node.properties.items():
            if name in value or child.defaults_below:
                _fill(value, name, child, keep_nulls)
        if node.additional is not None:
            for name in value.keys() - node.properties.keys():
                _fill(value, name, node.additional, keep_nulls)
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            _default(item, node.items, keep_nulls)


def _fill(holder: dict[str, Any], name: str, node: Node, keep_nulls: bool) -> None:
    if name not in holder or (holder[name] is None and not node.nullable):
        if node.default is None:
            if not keep_nulls:
                holder.pop(name, None)
            return
        holder[name] = node.default_value()
    _default(holder[name], node, keep_nulls)
