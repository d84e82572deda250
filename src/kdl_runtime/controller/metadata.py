"""The metadata of an object, whether it is a projection or a dict."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kdl_runtime.codec.meta import ObjectMeta, PartialObject


def metadata_of(obj: PartialObject | Mapping[str, Any]) -> ObjectMeta:
    """A projection's own; of a dict a decoded copy."""
    if isinstance(obj, PartialObject):
        return obj.metadata
    return msgspec.convert(obj.get("metadata") or {}, ObjectMeta)
