"""Label and field selectors: parse, match and print them as kubectl and the API server do.

Grammar and semantics: apimachinery's ``labels`` and ``fields`` packages
(https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors). Two things surprise:
``a!=b`` and ``a notin (b)`` also match objects that have no ``a``, and ``a in ()`` asks for the empty value.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kdl_runtime.errors import BadRequest

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_TOKEN = re.compile(r"\s*(?:(?P<symbol>[(),]|!=|==|=|!|<|>)|(?P<word>[^\s(),!=<>]+))")
_INTEGER = re.compile(r"[+-]?[0-9]+")


class Operator(StrEnum):
    """Operators of a requirement; the values are what a printed selector shows."""

    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = ">"
    LESS_THAN = "<"


_POSITIVE = frozenset({Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN})
_NEGATIVE = frozenset({Operator.NOT_EQUALS, Operator.NOT_IN})
_SINGLE = {op.value: op for op in (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.NOT_EQUALS)}
_NUMERIC = {op.value: op for op in (Operator.GREATER_THAN, Operator.LESS_THAN)}
_SETS = {op.value: op for op in (Operator.IN, Operator.NOT_IN)}
_OBJECT_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the labels. Key and values are checked when it is made (BadRequest)."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_label_key(self.key)
        for value in self.values:
            if self.operator in _NUMERIC.values():
                if not _INTEGER.fullmatch(value):
                    raise BadRequest(f"the label selector compares {self.key!r} with {value!r}: it must be an integer")
            else:
                check_label_value(self.key, value)

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator in _POSITIVE:
            return value is not None and value in self.values
        if self.operator in _NEGATIVE:
            return value is None or value not in self.values
        if self.operator is Operator.DOES_NOT_EXIST:
            return value is None
        if self.operator is Operator.EXISTS or value is None:
            return value is not None
        if not _INTEGER.fullmatch(value):
            return False
        (bound,) = self.values
        return int(value) > int(bound) if self.operator is Operator.GREATER_THAN else int(value) < int(bound)

    def __str__(self) -> str:
        if self.operator is Operator.EXISTS:
            return self.key
        if self.operator is Operator.DOES_NOT_EXIST:
            return f"!{self.key}"
        values = ",".join(sorted(self.values))
        if self.operator in (Operator.IN, Operator.NOT_IN):
            return f"{self.key} {self.operator} ({values})"
        return f"{self.key}{self.operator}{values}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold, sorted by key. Without any it matches everything; see ``NOTHING``."""

    requirements: tuple[Requirement, ...] = ()
    matches_nothing: bool = field(default=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "LabelSelector":
        """``a=b,c in (d,e),!f,g>5``; the empty string matches everything. BadRequest says what is wrong where."""
        return cls(tuple(sorted(_Parser(text).requirements(), key=lambda requirement: requirement.key)))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> "LabelSelector":
        """Every one of these labels with just this value."""
        return cls(tuple(Requirement(key, Operator.EQUALS, frozenset({labels[key]})) for key in sorted(labels)))

    @classmethod
    def from_object(cls, selector: Mapping[str, Any] | None) -> "LabelSelector":
        """From a ``metav1.LabelSelector``: None matches nothing and an empty one everything, as its API says."""
        if selector is None:
            return NOTHING
        requirements = list(cls.from_labels(selector.get("matchLabels") or {}).requirements)
        requirements += [_from_expression(item) for item in selector.get("matchExpressions") or ()]
        return cls(tuple(sorted(requirements, key=lambda requirement: requirement.key)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.matches_nothing:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.matches_nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(matches_nothing=True)


def check_label_key(key: str) -> None:
    """BadRequest unless ``key`` is a qualified name: an optional DNS prefix and a slash, then up to 63 characters."""
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix)):
        raise BadRequest(
            f"the label key {key!r} has an invalid prefix: before the slash comes a DNS name in lower case"
        )
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"the label key {key!r} is invalid: a name is 1 to 63 letters, digits, '-', '_' or '.', "
            "and starts and ends with a letter or digit"
        )


def check_label_value(key: str, value: str) -> None:
    """BadRequest unless ``value`` may be a label's value: empty, or like the name in a key."""
    if value and not _NAME.fullmatch(value):
        raise BadRequest(
            f"the value {value!r} of the label {key!r} is invalid: it is empty or up to 63 letters, digits, '-', '_' "
            "or '.', and starts and ends with a letter or digit"
        )


def _from_expression(expression: Mapping[str, Any]) -> Requirement:
    key, name = str(expression.get("key", "")), expression.get("operator")
    operator = _OBJECT_OPERATORS.get(str(name))
    if operator is None:
        raise BadRequest(f"{name!r} is not an operator of a label selector: use {', '.join(_OBJECT_OPERATORS)}")
    values = frozenset(map(str, expression.get("values") or ()))
    if (operator in (Operator.IN, Operator.NOT_IN)) != bool(values):
        need = "needs at least one value" if not values else "takes no values"
        raise BadRequest(f"the operator {name} on the label {key!r} {need}")
    return Requirement(key, operator, values)


class _Parser:
    """Recursive descent over the tokens of one label selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._tokenize(text))
        self._position = 0

    def _tokenize(self, text: str) -> Iterable[str]:
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            # The pattern covers every character, so that it always matches before the end.
            assert match is not None
            yield match["symbol"] or match["word"]
            position = match.end()

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._position += 1
        return token

    def _fail(self, expected: str, found: str) -> BadRequest:
        what = f"found {found!r}" if found else "it ends there"
        return BadRequest(f"unable to parse the label selector {self._text!r}: expected {expected}, {what}")

    def requirements(self) -> Iterable[Requirement]:
        if not self._peek():
            return
        while True:
            yield self._requirement()
            token = self._next()
            if not token:
                return
            if token != ",":
                raise self._fail("',' or the end", token)
            if not self._peek() or self._peek() == ",":
                raise self._fail("a label key after ','", self._peek())

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._next()
        key = self._word("a label key")
        operator = self._peek()
        if operator in ("", ",") or negated:
            return Requirement(key, Operator.DOES_NOT_EXIST if negated else Operator.EXISTS)
        self._next()
        if operator in _SETS:
            return Requirement(key, _SETS[operator], self._set())
        if operator in _SINGLE:
            value = self._next() if _is_word(self._peek()) else ""
            return Requirement(key, _SINGLE[operator], frozenset({value}))
        if operator in _NUMERIC:
            return Requirement(key, _NUMERIC[operator], frozenset({self._word("an integer")}))
        raise self._fail("one of in, notin, =, ==, !=, >, <", operator)

    def _set(self) -> frozenset[str]:
        if (token := self._next()) != "(":
            raise self._fail("'('", token)
        values = set()
        while True:
            values.add(self._next() if _is_word(self._peek()) else "")
            token = self._next()
            if token == ")":
                return frozenset(values)
            if token != ",":
                raise self._fail("',' or ')'", token)

    def _word(self, expected: str) -> str:
        token = self._next()
        if not _is_word(token):
            raise self._fail(expected, token)
        return token


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "(),!=<>"


# ---- fields


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """``field`` equals ``value``, or with ``negated`` does not."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        value = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'!=' if self.negated else '='}{value}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Requirements on fields that must all hold. Which fields a resource knows is for the server to check."""

    requirements: tuple[FieldRequirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FieldSelector":
        """``metadata.name=x,status.phase!=Running``; a backslash keeps ``,``, ``=`` or itself in a value."""
        # A comma ends a term unless a backslash precedes it; the backslashes stay until the value is unescaped.
        terms = re.findall(r"(?:\\.|[^\\,]|\\$)+", text, re.DOTALL)
        return cls(tuple(_field_requirement(text, term) for term in terms))

    def matches(self, get: Callable[[str], str]) -> bool:
        """``get`` returns a field's value by its dotted path, the empty string for one that is not set."""
        return all((get(item.field) == item.value) != item.negated for item in self.requirements)

    def exact(self, field_path: str) -> str | None:
        """The value that a field must have, or None if the selector leaves it open."""
        found = (item.value for item in self.requirements if item.field == field_path and not item.negated)
        return next(found, None)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERY_FIELD = FieldSelector()


def _field_requirement(text: str, term: str) -> FieldRequirement:
    match = re.match(r"((?:\\.|[^\\=!]|!(?!=))*)(!=|==|=)(.*)", term, re.DOTALL)
    if match is None:
        raise BadRequest(
            f"invalid field selector {text!r}: can't understand {term!r}, write field=value or field!=value"
        )
    name, operator, value = match.groups()
    return FieldRequirement(name.strip(), _unescape(text, value), negated=operator == "!=")


def _unescape(text: str, value: str) -> str:
    if not re.fullmatch(r"(?:[^\\,=]|\\[\\,=])*", value, re.DOTALL):
        raise BadRequest(f"invalid field selector {text!r}: in the value {value!r} escape '\\', ',' and '=' by '\\'")
    return re.sub(r"\\([\\,=])", r"\1", value)
