"""A schema compiled once into a tree of nodes, whose checks are ready to be called.

What is compiled is what structural schemas may say
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdl_local.apiserver.checks import Check, Path, formatted, list_check, type_check, value_checks
from kdl_local.apiserver.fields import FieldError
from kdl_local.apiserver.shared import Shared
from kdl_runtime.codec.json import decode, encode

Resolve = Callable[[str], "Node"]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Node:
    """One schema: its children, how it prunes and defaults, and its checks.

    ``additional`` is the schema of the values of a map; ``preserve`` keeps unknown fields; ``embedded`` marks a whole
    Kubernetes object inside another, whose apiVersion, kind and metadata are known without being declared. ``default``
    is encoded JSON, so that every object gets a copy of its own.
    """

    schema: Mapping[str, Any]
    properties: dict[str, "Node"] = field(default_factory=dict)
    additional: "Node | None" = None
    items: "Node | None" = None
    preserve: bool = False
    embedded: bool = False
    nullable: bool = False
    default: bytes | None = None
    required: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    all_of: tuple["Node", ...] = ()
    any_of: tuple["Node", ...] = ()
    one_of: tuple["Node", ...] = ()
    not_: "Node | None" = None
    defaults_below: bool = False
    """Whether this node or one below has a default; the others are not visited for defaulting."""

    def default_value(self) -> Any:
        return decode(self.default) if self.default is not None else None

    def validate(self, value: Any, path: Path, errors: list[FieldError]) -> None:
        """Appends what is wrong with the value and everything below it."""
        if value is None and self.nullable:
            return
        for check in self.checks:
            check(value, path, errors)
        if isinstance(value, dict):
            self._validate_object(value, path, errors)
        elif isinstance(value, list) and self.items is not None:
            validate = self.items.validate
            for index, item in enumerate(value):
                validate(item, (path, f"[{index}]"), errors)
        if self.all_of or self.any_of or self.one_of or self.not_ is not None:
            self._validate_junctors(value, path, errors)

    def _validate_object(self, value: dict[str, Any], path: Path, errors: list[FieldError]) -> None:
        for name in self.required:
            if name not in value:
                errors.append(FieldError.required(formatted((path, f".{name}"))))
        properties, additional = self.properties, self.additional
        if not properties and additional is None:
            return
        for name, item in value.items():
            node = properties.get(name, additional)
            if node is not None:
                node.validate(item, (path, f".{name}"), errors)

    def _validate_junctors(self, value: Any, path: Path, errors: list[FieldError]) -> None:
        for node in self.all_of:
            node.validate(value, path, errors)
        # A failing branch reports the errors of the best branch and one on the whole, without a field.
        if self.any_of:
            failures = [_failures(node, value, path) for node in self.any_of]
            if all(failures):
                errors.extend(_shortest(failures))
                errors.append(_junctor_error(path, "at least one schema (anyOf)"))
        if self.one_of:
            failures = [_failures(node, value, path) for node in self.one_of]
            valid = sum(not failed for failed in failures)
            if valid == 0:
                errors.extend(_shortest(failures))
                errors.append(_junctor_error(path, "one and only one schema (oneOf). Found none valid"))
            elif valid > 1:
                errors.append(
                    _junctor_error(path, f"one and only one schema (oneOf). Found {valid} valid alternatives")
                )
        if self.not_ is not None and not _failures(self.not_, value, path):
            errors.append(FieldError.invalid("", "", f'"{formatted(path)}" must not validate the schema (not)'))


def _failures(node: Node, value: Any, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    node.validate(value, path, errors)
    return errors


def _shortest(failures: list[list[FieldError]]) -> list[FieldError]:
    return sorted(failures, key=len)[0]


def _junctor_error(path: Path, rest: str) -> FieldError:
    return FieldError.invalid("", "", f'"{formatted(path)}" must validate {rest}')


def compile_schema(schema: Mapping[str, Any], resolve: Resolve | None = None) -> Node:
    """The node of a schema. ``resolve`` gives the node of a ``$ref``; structural schemas have none, and share their
    nodes.

    Raises ``re.error`` for a pattern that is not a regular expression; ``crd`` checks patterns before it comes to that.
    """
    if resolve is None:
        return _SHARED.of(schema)
    return resolve(schema["$ref"]) if "$ref" in schema else _compiled(schema, resolve)


def _compiled(schema: Mapping[str, Any], resolve: Resolve | None = None) -> Node:
    node = Node(schema)
    fill(node, schema, resolve)
    return node


_SHARED = Shared(_compiled)


def fill(node: Node, schema: Mapping[str, Any], resolve: Resolve | None = None) -> None:
    """Compiles ``schema`` into a node that exists already, which is how recursive definitions are tied."""

    def nodes(name: str) -> tuple[Node, ...]:
        return tuple(compile_schema(item, resolve) for item in schema.get(name) or ())

    node.properties = {name: compile_schema(item, resolve) for name, item in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        node.additional = compile_schema(additional, resolve)
    elif additional is True:
        node.additional = Node({}, preserve=True, nullable=True)
    items = schema.get("items")
    node.items = compile_schema(items, resolve) if isinstance(items, Mapping) else None
    node.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    node.embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    node.nullable = bool(schema.get("nullable"))
    node.default = encode(schema["default"]) if schema.get("default") is not None else None
    node.required = tuple(schema.get("required") or ())
    node.all_of, node.any_of, node.one_of = nodes("allOf"), nodes("anyOf"), nodes("oneOf")
    node.not_ = compile_schema(schema["not"], resolve) if schema.get("not") else None
    if schema.get("x-kubernetes-int-or-string"):
        # The one pair of types that anyOf may name says the same as the extension.
        node.any_of = tuple(branch for branch in node.any_of if set(branch.schema) != {"type"})
    checks = [type_check(schema), *value_checks(schema), list_check(schema)]
    node.checks = tuple(check for check in checks if check is not None)
    below = [*node.properties.values(), node.additional, node.items]
    node.defaults_below = node.default is not None or any(item.defaults_below for item in below if item is not None)
