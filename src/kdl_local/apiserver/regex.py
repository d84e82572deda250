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
_TOKEN = re.compile(r"\[:(\w+):\]|\\z|\\.|\[\^?\]?|\]|\$|.", re.DOTALL)
_UNSUPPORTED = re.compile(r"\\[1-9]|\(\?(?:=|!|<=|<!|>|\()")


@lru_cache(maxsize=1024)
def compile_re2(pattern: str) -> re.Pattern[str]:
    """The pattern for ``search``, with RE2's meaning: ASCII classes, and ``$`` only at the very end.

    Raises ``re.error`` for what is not a regular expression, and for back references and look-around, which RE2 lacks.
    """
    if found := _UNSUPPORTED.search(pattern.replace("\\\\", "")):
        raise re.error(f"invalid or unsupported Perl syntax: `{found[0]}`")
    parts: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if in_class:
            if token[1]:
                text = _POSIX.get(token[1], text)
            elif text == "[" or text.startswith("[^"):
                text = "\\" + text
            elif text == "]":
                in_class = False
        elif text.startswith("[") and not token[1]:
            in_class = True
        elif text in ("$", "\\z"):
            text = "\\Z"
        parts.append(text)
    return re.compile("".join(parts), re.ASCII)
