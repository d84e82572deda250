"""Regular expressions of schemas: Go's RE2 syntax, translated for Python's ``re``."""

import re
from functools import lru_cache

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_OUTSIDE = re.compile(r"\\z|\\.|\[\^?\]?|\$|.", re.DOTALL)
_INSIDE = re.compile(r"\[:(\w+):\]|\\.|\]|.", re.DOTALL)
_SPECIAL_INSIDE = frozenset("[&|~")
_UNSUPPORTED = re.compile(r"\\[1-9]|\(\?(?:=|!|<=|<!|>|\()")


@lru_cache(maxsize=1024)
def compile_re2(pattern: str) -> re.Pattern[str]:
    """The pattern for ``search``, with RE2's meaning: ASCII classes, and ``$`` only at the very end.

    Raises ``re.error`` for what is not a regular expression, and for back references and look-around, which RE2 lacks.
    """
    if found := _UNSUPPORTED.search(pattern.replace("\\\\", "")):
        raise re.error(f"invalid or unsupported Perl syntax: `{found[0]}`")
    parts: list[str] = []
    position, inside = 0, False
    while position < len(pattern):
        token = (_INSIDE if inside else _OUTSIDE).match(pattern, position)
        assert token is not None, "the last alternative of a token is any character"
        position = token.end()
        parts.append(_in_class(token) if inside else _outside_class(token[0]))
        inside = token[0] != "]" if inside else token[0].startswith("[")
    return re.compile("".join(parts), re.ASCII)


def _in_class(token: re.Match[str]) -> str:
    """Python reserves some doubled characters for set operations to come, so they are escaped."""
    if token[1]:
        return _POSIX.get(token[1], token[0])
    return f"\\{token[0]}" if token[0] in _SPECIAL_INSIDE else token[0]


def _outside_class(text: str) -> str:
    return "\\Z" if text in ("$", "\\z") else text
