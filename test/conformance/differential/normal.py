"""Answers without what two servers must be free to choose: UIDs, times, revisions, addresses, generated names.

The renaming is consistent over a sequence: the same UID is the same word in every answer, and on both servers if it
appears in the same places. Revisions of objects become their rank, so that their order is compared; the revision of a
list becomes that of the newest object that it can contain.
"""

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from conformance.differential.side import Answer
from conformance.differential.steps import Step
from kdl_runtime.codec.json import DecodeError, decode, encode

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
COMPARED_HEADERS = ("content-type", "retry-after", "allow", "location")
"""What clients read. Warnings are compared apart, one by one."""

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b20(?:2[4-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_GENERATED = re.compile(r"\bgen-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
_ADDRESS = re.compile(r"\b10\.96\.\d+\.\d+\b")
_AGE = re.compile(r"\d+(?:s|m\d*s?)|<invalid>")
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')
_REVISION_TEXT = re.compile(r"((?:resource|Resource) ?[vV]ersion(?: in \w+)?:? \(?|current: |\()(\d+)\b")
_ECHO = re.compile(r"Checked value must be of type")
_NODE_PORTS = range(30000, 32768)


class _Loader(yaml.SafeLoader):
    """Leaves times as they are written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Normal:
    """An answer that can be compared. ``body`` is decoded JSON or YAML, or text; ``events`` are type and object."""

    code: int
    headers: dict[str, str]
    warnings: list[str]
    body: Any
    events: list[tuple[str, Any]] | None = None
    broken: str = ""


@dataclass
class _Names:
    """New names of one kind, in the order in which the old ones are met."""

    word: str
    known: dict[str, str] = field(default_factory=dict)

    def __call__(self, match: re.Match[str]) -> str:
        return self.known.setdefault(match[0], f"{self.word}-{len(self.known) + 1}")

    def known_only(self, match: re.Match[str]) -> str:
        return self.known.get(match[0], f"<{self.word}>")


def normalise(steps: Sequence[Step], answers: Sequence[Answer]) -> list[Normal | None]:
    """The answers of one server to one sequence; None for requests that were not sent."""
    plain = [None if answer.skipped else _plain(answer) for answer in answers]
    # What would have been stored has no revision that means anything.
    real = [answer for step, answer in zip(steps, plain, strict=True) if answer and not _is_dry(step)]
    revisions = sorted({number for answer in real for number in _object_revisions(_trees(answer))})
    renaming = _Renaming(revisions)
    # Streams last, as they are judged: what they tell has mostly been told before.
    for answer in sorted((answer for answer in plain if answer), key=lambda answer: answer.events is not None):
        renaming.apply(answer)
    return plain


def _is_dry(step: Step) -> bool:
    """The options of a deletion are in its body alone, if it has one."""
    if isinstance(step.body, dict) and "dryRun" in encode(step.body).decode():
        return True
    return not (step.method == "DELETE" and step.body) and any(name == "dryRun" for name, _ in step.query)


def _plain(answer: Answer) -> Normal:
    headers = {name: answer.headers[name] for name in COMPARED_HEADERS if name in answer.headers}
    warnings = sorted(re.sub(r"\\(.)", r"\1", text) for text in _WARNING.findall(answer.headers.get("warning", "")))
    body = _decoded(answer.body, headers.get("content-type", ""))
    events = None
    if answer.events is not None:
        lines = [decode(line) for line in answer.events]
        # Bookmarks come when the server likes, but for the one that ends the initial events.
        events = [
            (line.get("type", ""), line.get("object", line))
            for line in lines
            if line.get("type") != "BOOKMARK" or _ends(line)
        ]
    return Normal(answer.code, headers, warnings, body, events, answer.broken)


def _ends(line: Mapping[str, Any]) -> bool:
    obj = line["object"]
    if obj.get("kind") == "Table":
        obj = (obj.get("rows") or [{}])[0].get("object") or {}
    return INITIAL_EVENTS_END in ((obj.get("metadata") or {}).get("annotations") or {})


def _decoded(body: bytes, content_type: str) -> Any:
    text = body.decode(errors="replace")
    if content_type.startswith("application/yaml"):
        return yaml.load(text, Loader=_Loader)
    if not content_type.startswith("application/json"):
        return text
    try:
        return decode(body)
    except DecodeError:
        return text


def _trees(answer: Normal) -> Iterable[Any]:
    yield answer.body
    yield from (obj for _, obj in answer.events or ())


def _object_revisions(trees: Iterable[Any]) -> Iterable[int]:
    """Revisions of objects, which have a UID; lists have none."""
    for tree in trees:
        if isinstance(tree, dict):
            meta = tree.get("metadata")
            if isinstance(meta, dict) and "uid" in meta and str(meta.get("resourceVersion", "")).isdigit():
                yield int(meta["resourceVersion"])
            yield from _object_revisions(tree.values())
        elif isinstance(tree, list):
            yield from _object_revisions(tree)


def _dotted(path: str) -> str:
    """A field with the keys of maps after dots; some checks of the real server write them in brackets."""
    return re.sub(r"\[([A-Za-z]\w*)\]", r".\1", path)


def _name(item: Any) -> str:
    """Of an entry of a discovery document, whose order means nothing."""
    return str(item.get("name") or item.get("resource") or item.get("subresource")) if isinstance(item, dict) else ""


def _manager(item: Any) -> str:
    return " ".join(str(item.get(name)) for name in ("manager", "operation", "subresource", "apiVersion"))


class _Renaming:
    def __init__(self, revisions: Sequence[int]) -> None:
        self._revisions = revisions
        self._names = [
            (_UUID, _Names("uid")),
            (_GENERATED, _Names("generated")),
        ]
        self._ports = _Names("port")

    def apply(self, answer: Normal) -> None:
        answer.warnings = [self._text(text) for text in answer.warnings]
        answer.body = self._value(answer.body, "")
        if answer.events is not None:
            answer.events = [(type_, self._value(obj, "")) for type_, obj in answer.events]

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {self._text(name): self._value(value[name], name) for name in sorted(value)}
        if isinstance(value, list):
            items = [self._value(item, "") for item in value]
            if key == "cells":
                return ["<age>" if isinstance(item, str) and _AGE.fullmatch(item) else item for item in items]
            if key == "causes":
                # Metadata may be checked twice, and numbers are, the second time without a field.
                told = (item for item in items if not _ECHO.search(str(item)))
                return [item for item, _ in itertools.groupby(sorted(told, key=str))]
            if key == "managedFields":
                # Their order is that of times, and seconds end when they like.
                return sorted(items, key=_manager)
            return sorted(items, key=_name) if key in ("resources", "subresources") else items
        if isinstance(value, str):
            if key == "field":
                return _dotted(value)
            if key == "resourceVersion":
                return self._revision(value)
            if key == "continue":
                return "<token>" if value else value
            return self._text(value, told=key == "message")
        if key == "nodePort" and value in _NODE_PORTS:
            return self._ports.known.setdefault(str(value), f"port-{len(self._ports.known) + 1}")
        return value

    def _revision(self, text: str) -> str:
        if not text.isdigit() or int(text) < 2:
            return text
        return f"revision {bisect_right(self._revisions, int(text))}"

    def _text(self, text: str, *, told: bool = False) -> str:
        """``told``: a message, whose words may differ, so that it gives nothing a name."""
        text = _TIME.sub(lambda match: "<microtime>" if match[1] else "<time>", text)
        # Which address a service gets, and whether that of an earlier one comes again, is the server's own affair.
        text = _ADDRESS.sub("<address>", text)
        for pattern, names in self._names:
            text = pattern.sub(names.known_only if told else names, text)
        return _REVISION_TEXT.sub(lambda match: match[1] + "<revision>", text)
