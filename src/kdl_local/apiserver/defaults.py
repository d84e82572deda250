"""Defaults of fields whose Go type is a plain string."""

from typing import Any


def default_string(obj: dict[str, Any], name: str, value: str) -> None:
    """Fills in a field, in place. An empty string is the same as none."""
    if not obj.get(name):
        obj[name] = value
