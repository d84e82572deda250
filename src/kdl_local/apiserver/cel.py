"""Validation rules in CEL (``x-kubernetes-validations``), compiled once and evaluated per object.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
Types are not checked before evaluation, other than that a field named by ``self.a.b`` must exist in the schema.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cel

from kdl_local.apiserver.cel_functions import new_context, unknown_functions
from kdl_local.apiserver.fields import OMITTED, FieldError, child
from kdl_local.apiserver.types import Object
from kdl_runtime.codec.json import encode

_RULES = "x-kubernetes-validations"
_RULES_KEY = encode(_RULES)
_MACRO_VARIABLE = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")
_TYPE_NAMES = frozenset(
    {"int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type"}
    | {"math", "sets", "base64", "strings", "lists"}
)
_SELF_CHAIN = re.compile(r"(?<![\w.])(?:self|oldSelf)((?:\.[A-Za-z_]\w*(?!\w*\s*\())+)")
_RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)


class RuleError(ValueError):
    """A rule that cannot be compiled; the message says why."""


def escape(name: str) -> str:
    """The name of a property as a CEL identifier: ``my-field`` is ``my__dash__field``, ``if`` is ``__if__``."""
    if name in _RESERVED:
        return f"__{name}__"
    text = name.replace("__", "__underscores__").replace(".", "__dot__")
    return text.replace("-", "__dash__").replace("/", "__slash__")


def compile_expression(expression: str) -> cel.Program:
    """Raises RuleError for a syntax error and for functions and variables that do not exist here."""
    try:
        program = cel.compile(expression)
    except ValueError as error:
        text = str(error).partition(": ")[2] or str(error)
        raise RuleError(f"compilation failed: {text}") from error
    if unknown := unknown_functions(program.functions()):
        raise RuleError(f"compilation failed: undeclared reference to '{unknown[0]}' (in container '')")
    known = {"self", "oldSelf", *_TYPE_NAMES, *_MACRO_VARIABLE.findall(expression)}
    for name in program.variables():
        if name not in known:
            raise RuleError(f"compilation failed: undeclared reference to '{name}' (in container '')")
    return program


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``x-kubernetes-validations``."""

    program: cel.Program
    text: str
    message: str
    message_expression: cel.Program | None
    reason: str
    field_path: str
    optional_old_self: bool
    uses_old_self: bool

    @property
    def names_escaped(self) -> bool:
        """Whether an identifier may be an escaped name: all of those have two underscores."""
        return "__" in self.text or (self.message_expression is not None and "__" in self.message_expression.source)

    def error(self, path: str, value: Any, context: cel.Context) -> FieldError:
        """What the API server answers when the rule does not hold of the value; only scalars are quoted."""
        shown = OMITTED if isinstance(value, dict | list) else value
        detail = self._expressed(context) or self.message or f"failed rule: {self.text}"
        where = _joined(path, self.field_path)
        match self.reason:
            case "FieldValueForbidden":
                return FieldError.forbidden(where, detail)
            case "FieldValueRequired":
                return FieldError.required(where, detail)
            case "FieldValueDuplicate":
                return FieldError.duplicate(where, shown)
        return FieldError.invalid(where, shown, detail)

    def _expressed(self, context: cel.Context) -> str:
        """The value of the message expression; empty when it fails, so that ``message`` is used instead."""
        if self.message_expression is None:
            return ""
        try:
            value = self.message_expression.execute(context)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            return ""
        text = value.strip() if isinstance(value, str) else ""
        return "" if "\n" in text else text


def _joined(path: str, field_path: str) -> str:
    return child(path, field_path.removeprefix(".")) if field_path else path


def compile_rule(entry: Mapping[str, Any], schema: Mapping[str, Any], *, root: bool = False) -> Rule:
    """The rule of one entry. ``schema`` is the schema that carries it; ``root`` adds the fields of every object."""
    text = str(entry.get("rule") or "").strip()
    program = compile_expression(text)
    _check_fields(text, schema, root)
    expression = entry.get("messageExpression")
    return Rule(
        program=program,
        text=text,
        message=str(entry.get("message") or "").strip(),
        message_expression=compile_expression(str(expression)) if expression else None,
        reason=str(entry.get("reason") or ""),
        field_path=str(entry.get("fieldPath") or ""),
        optional_old_self=bool(entry.get("optionalOldSelf")),
        uses_old_self="oldSelf" in program.variables(),
    )


_ROOT_FIELDS: Mapping[str, Any] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}},
}


def _check_fields(text: str, schema: Mapping[str, Any], root: bool) -> None:
    """Refuses ``self.a.b`` where the schema knows no such field; maps and preserved fields may hold anything."""
    if root:
        schema = {**schema, "properties": {**(schema.get("properties") or {}), **_ROOT_FIELDS}}
    for match in _SELF_CHAIN.finditer(text):
        current: Any = schema
        for name in match[1].split(".")[1:]:
            if not isinstance(current, Mapping) or not _has_only_properties(current):
                break
            properties = current.get("properties") or {}
            known = {escape(key): value for key, value in properties.items()}
            if name not in known:
                raise RuleError(f"compilation failed: undefined field '{name}'")
            current = known[name]


def _has_only_properties(schema: Mapping[str, Any]) -> bool:
    """Whether what the schema declares is all that there is to select from a value."""
    open_ended = schema.get("additionalProperties") or schema.get("x-kubernetes-preserve-unknown-fields")
    return schema.get("type", "object") == "object" and not open_ended


@dataclass(slots=True)
class RuleNode:
    """The rules of one schema and of those below it; schemas without any rule have no node."""

    schema: Mapping[str, Any]
    root: bool = False
    rules: list[Rule] = field(default_factory=list)
    properties: dict[str, "RuleNode"] = field(default_factory=dict)
    additional: "RuleNode | None" = None
    items: "RuleNode | None" = None
    escapes: bool = False
    """Whether a rule may name a property, here or below, whose name is no CEL identifier."""

    @property
    def empty(self) -> bool:
        return not (self.rules or self.properties or self.additional or self.items)

    def evaluate(self, value: Any, old: Any, path: str, errors: list[FieldError]) -> None:
        """Appends an error per rule that does not hold. ``old`` is None where there is nothing to compare with."""
        if value is None:
            return
        if self.rules:
            self._evaluate_rules(value, old, path, errors)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, item in value.items():
                if node := self.properties.get(name):
                    node.evaluate(item, before.get(name), child(path, name), errors)
                elif self.additional is not None:
                    self.additional.evaluate(item, before.get(name), f"{path}[{name}]", errors)
        elif isinstance(value, list) and self.items is not None:
            match_old = self._correlation(old)
            for index, item in enumerate(value):
                self.items.evaluate(item, match_old(item), f"{path}[{index}]", errors)

    def _evaluate_rules(self, value: Any, old: Any, path: str, errors: list[FieldError]) -> None:
        # A value that has not changed is not refused by a rule that came later; rules on the transition always run.
        unchanged = old is not None and value == old
        rules = [rule for rule in self.rules if rule.uses_old_self or not unchanged]
        rules = [rule for rule in rules if not rule.uses_old_self or rule.optional_old_self or old is not None]
        if not rules:
            return
        context, kind = new_context(), str(self.schema.get("type") or "")
        context.add_variable("self", self._visible(value))
        for optional in sorted({rule.optional_old_self for rule in rules}):
            if any(rule.uses_old_self for rule in rules):
                _bind_old(context, self._visible(old), optional=optional)
            for rule in rules:
                if rule.optional_old_self == optional:
                    errors.extend(_evaluate_rule(rule, context, path, value, kind))

    def _visible(self, value: Any) -> Any:
        """The value as rules see it: of the root's metadata only the names; property names as identifiers."""
        if self.root and isinstance(value, dict):
            metadata = value.get("metadata") or {}
            names = {key: metadata[key] for key in ("name", "generateName") if key in metadata}
            value = {**value, "metadata": names}
        return _escaped(value, self.schema) if self.escapes else value

    def _correlation(self, old: Any) -> Callable[[Any], Any]:
        """The old item of a list of type map that has the same keys; items of other lists have no old value."""
        keys = self.schema.get("x-kubernetes-list-map-keys") or ()
        if not isinstance(old, list) or not keys:
            return lambda item: None
        by_key = {tuple(map(repr, map(item.get, keys))): item for item in old if isinstance(item, dict)}
        return lambda item: by_key.get(tuple(map(repr, map(item.get, keys)))) if isinstance(item, dict) else None


def _bind_old(context: cel.Context, old: Any, *, optional: bool) -> None:
    if not optional:
        context.add_variable("oldSelf", old)
    else:
        context.add_variable("oldSelf", cel.OptionalValue.none() if old is None else cel.OptionalValue.of(old))


def _evaluate_rule(rule: Rule, context: cel.Context, path: str, value: Any, kind: str) -> list[FieldError]:
    name = rule.message or rule.text
    try:
        result = rule.program.execute(context)
    except TypeError:
        detail = "'no such overload': call arguments did not match a supported operator, function or macro signature"
        return [FieldError.invalid(path, kind, f"{detail} for rule: {name}")]
    except ZeroDivisionError:
        return [FieldError.invalid(path, kind, f"division by zero evaluating rule: {name}")]
    except KeyError as error:
        return [FieldError.invalid(path, kind, f"no such key: {error.args[0]} evaluating rule: {name}")]
    except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
        return [FieldError.invalid(path, kind, f"{error} evaluating rule: {name}")]
    return [] if result is True else [rule.error(path, value, context)]


def _escaped(value: Any, schema: Mapping[str, Any]) -> Any:
    """``value`` with the names of declared properties escaped; keys of maps stay as they are."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        additional = schema.get("additionalProperties")
        below = additional if isinstance(additional, Mapping) else {}
        return {
            (escape(name) if name in properties else name): _escaped(item, properties.get(name, below))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_escaped(item, schema.get("items") or {}) for item in value]
    return value


def _needs_escape(schema: Mapping[str, Any]) -> bool:
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    names = schema.get("properties") or {}
    return any(escape(name) != name for name in names) or any(
        _needs_escape(item) for item in below if isinstance(item, Mapping)
    )


def compile_rules(
    schema: Mapping[str, Any], errors: list[FieldError], path: str = "", *, root: bool = True
) -> RuleNode:
    """The rules of a schema, at every level; one that cannot be compiled is an error at its place in the schema."""
    node = RuleNode(schema, root)
    if _RULES_KEY not in encode(schema):
        return node
    for index, entry in enumerate(schema.get(_RULES) or ()):
        try:
            node.rules.append(compile_rule(entry, schema, root=root))
        except RuleError as error:
            where = child(path, f"{_RULES}[{index}].rule")
            errors.append(FieldError.invalid(where, entry.get("rule"), str(error)))
    node.escapes = any(rule.names_escaped for rule in node.rules) and _needs_escape(schema)
    for name, item in (schema.get("properties") or {}).items():
        below = compile_rules(item, errors, child(path, f"properties[{name}]"), root=False)
        if not below.empty:
            node.properties[name] = below
    for keyword in ("additionalProperties", "items"):
        item = schema.get(keyword)
        if isinstance(item, Mapping):
            below = compile_rules(item, errors, child(path, keyword), root=False)
            if not below.empty:
                setattr(node, "items" if keyword == "items" else "additional", below)
    return node


def rules_of(schema: Mapping[str, Any]) -> Callable[[Object, Object | None], list[FieldError]] | None:
    """The function that ``StructuralSchema`` takes; None when the schema has no rules. They must compile."""
    failed: list[FieldError] = []
    node = compile_rules(schema, failed)
    if failed:
        raise RuleError(str(failed[0]))
    if node.empty:
        return None

    def validate(obj: Object, old: Object | None) -> list[FieldError]:
        errors: list[FieldError] = []
        node.evaluate(obj, old, "", errors)
        return errors

    return validate
