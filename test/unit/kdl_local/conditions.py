"""Conditions that a test expects to be there."""

from collections.abc import Mapping
from typing import Any

from kdl_local.pods import condition


def present_condition(obj: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """The object's condition of that type, which it must have."""
    found = condition(obj, type_)
    assert found is not None, f"there is no condition {type_} in {obj.get('status')}"
    return found
