"""Messages that are not worth imitating: of these, code, reason and field are compared, not the words."""

import re
from dataclasses import dataclass
from typing import Any

from conformance.differential.compare import Difference
from conformance.differential.exchange import Exchange


@dataclass(frozen=True)
class Loose:
    """``pattern`` is found in the real server's message."""

    pattern: str
    why: str

    def matches(self, message: str) -> bool:
        return re.search(self.pattern, message) is not None


LOOSE = (
    Loose(r"cannot be handled as a|cannot unmarshal|error decoding", "Go's decoder, with the names of Go's types"),
    Loose(r"json parse error|yaml: |error converting YAML|invalid character|unexpected end of JSON", "Go's parsers"),
    Loose(
        r"unable to parse requirement|invalid selector|can't understand|found '.*', expected", "Go's selector parser"
    ),
    Loose(r"the server rejected our request due to an error in our request", "a JSON patch that does not fit"),
    Loose(r"accepted media types include|Available representations|415: Unsupported", "the list names media types"),
    Loose(r"\n@@ |\n  core.PodSpec", "a difference of two Go structs"),
    Loose(r"only the following media types are accepted", "the list names media types"),
    Loose(r"in body must be of type", "types and fields are named as Go's validator sees them"),
    Loose(r" \"\" is invalid: patch: Invalid value|^Invalid value: \"(\{|map\[)", "the whole object as Go sees it"),
    Loose(r"Checked value must be of type", "numbers are checked a second time, without a field"),
    Loose(r"unrecognized type: ", "Go's strategic merge"),
    Loose(r"Invalid JSON Patch", "a merge patch that is no object"),
    Loose(r"cannot restore \\w+ from", "Go's strategic merge"),
    Loose(r"parsing time", "Go's parser of times"),
    Loose(r"Duplicate value: \{", "a Go struct"),
    Loose(r"cannot convert \w+ to \w+", "Go's strategic merge"),
    Loose(r"accessor error", "it names Go's types"),
    Loose(r"StorageError: invalid object", "it names keys of etcd"),
    Loose(r"the object provided is unrecognized", "Go's decoder, with the body"),
    Loose(r"but the requested object is (not )?a list", "it names Go's type"),
)


def _dotted(text: Any) -> str:
    """Paths with the keys of maps after dots, as one half of the real server's checks writes them, not in brackets."""
    return re.sub(r"\[([A-Za-z]\w*)\]", r".\1", str(text))


def loose(exchange: Exchange, difference: Difference) -> bool:
    """Whether the answers differ in words that are not worth imitating, and in nothing that programs look at."""
    if exchange.real.code != exchange.local.code or not difference.place.endswith("message"):
        return False
    if _dotted(difference.real) == _dotted(difference.local):
        return True
    return any(rule.matches(str(difference.real)) for rule in LOOSE)
