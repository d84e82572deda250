"""One request of a sequence, in words that mean the same to both servers.

A sequence is made before any server has answered, so what only an answer tells is named, not given: ``${rv:PATH}`` is
the resourceVersion that the object at PATH had when it was last seen, ``${old:PATH}`` the first one, ``${uid:PATH}``
its UID, ``${list:PATH}`` the resourceVersion of the last list of a collection, ``${next:PATH}`` its continue token.

Names that begin with ``fz-`` belong to the sequence: namespaces ``fz-a`` and ``fz-b``, objects of the cluster ``fz-x``.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kdl_runtime.codec.json import encode

WAIT = "WAIT"
"""As a method: wait until a GET of the path succeeds; no part of the comparison."""

GONE = "GONE"
"""As a method: wait until a GET of the path finds nothing any more."""

OWN = "fz-"
"""What the names of a sequence's namespaces and cluster-scoped objects begin with."""

REFERENCE = re.compile(r"\$\{(rv|old|uid|list|next):([^}]*)\}")

Pairs = tuple[tuple[str, str], ...]


def reference(what: str, path: str) -> str:
    """The words that stand for what an answer about the object or collection at a path has told."""
    return f"${{{what}:{path}}}"


@dataclass(frozen=True, slots=True)
class Step:
    """``body`` is a JSON value, or text that is sent as it is. ``base``: the path of an object in whose last known
    state the body is merged (RFC 7386), as a client reads, modifies and writes. ``watch``: the answer is a stream that
    is read until the end of the sequence.
    """

    method: str
    path: str
    query: Pairs = ()
    headers: Pairs = ()
    body: Any = None
    base: str = ""
    watch: bool = False

    def __str__(self) -> str:
        if self.method in (WAIT, GONE):
            word = "until" if self.method == WAIT else "while"
            return f'{word} curl -f "$SERVER{self.path}"; do sleep 0.1; done'
        words = ["curl", "-N" if self.watch else "", "-X", self.method, f'"$SERVER{self.path}{self._query()}"']
        for name, value in self.headers:
            words += ["-H", shlex.quote(f"{name}: {value}")]
        if self.body is not None or self.base:
            text = self.body if isinstance(self.body, str) else encode(self.body).decode()
            words += ["-d", f'"$(last {self.base} | merge {shlex.quote(text)})"' if self.base else shlex.quote(text)]
        return " ".join(word for word in words if word) + (" &" if self.watch else "")

    def _query(self) -> str:
        return f"?{urlencode(self.query, safe='${:}/,=!')}" if self.query else ""


def substituted(value: Any, replace: Callable[[str], str]) -> Any:
    """The JSON value with every string, also those that are keys, replaced."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, dict):
        return {replace(key): substituted(item, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, replace) for item in value]
    return value
