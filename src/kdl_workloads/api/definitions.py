"""The schemas of the built-in Kubernetes types, as ``kubernetes-validate`` carries them for each Kubernetes version."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from cachetools import LRUCache, cached

from kdl_runtime.codec import json

KUBERNETES_VERSION = "1.37"
"""Version whose types the CRDs describe and pod templates are checked against, unless another one is asked for."""


def schema_directory(version: str = KUBERNETES_VERSION, *, strict: bool = False) -> Traversable:
    return files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local{'-strict' if strict else ''}"


@cached(LRUCache[Any, Any](maxsize=4))
def definitions(version: str = KUBERNETES_VERSION, strict: bool = False) -> Mapping[str, Any]:
    """The document that all schemas of a version refer to; its ``$defs`` are keyed by OpenAPI name."""
    document: Mapping[str, Any] = json.decode(
        schema_directory(version, strict=strict).joinpath("_definitions.json").read_bytes()
    )
    return document
