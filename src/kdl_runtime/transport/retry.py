"""When an answer asks to be tried again, and what it warns of."""

import re
from collections.abc import Mapping

MAX_ATTEMPTS = 10
"""How often one request is sent at most while the server goes on asking for a pause (client-go's number)."""

MAX_PAUSE = 60.0
"""The longest pause in seconds that is waited out; a longer one is left to the caller, as ``ApiError.retry_after``."""

_WARNING = re.compile(r'(?P<code>\d{3}) (?P<agent>\S+) "(?P<text>(?:[^"\\]|\\.)*)"')


def retry_after(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds after which a server that is overloaded (429) or broken (5xx) asks to be tried again; None if not.

    Only whole seconds are understood, which is what Kubernetes sends, not dates.
    """
    if status != 429 and status < 500:
        return None
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None


def warnings_in(headers: Mapping[str, str]) -> list[str]:
    """The texts of the Warning headers (RFC 7234, code 299), see
    https://kubernetes.io/docs/reference/using-api/api-concepts/#warnings."""
    header = headers.get("warning")
    if not header:
        return []
    found = (match for match in _WARNING.finditer(header) if match["code"] == "299")
    return [re.sub(r"\\(.)", r"\1", match["text"]) for match in found]
