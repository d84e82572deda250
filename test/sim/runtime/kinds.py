"""The kinds that the simulated operators are for."""

from typing import Any

from kdl_runtime.types import Resource

GROUP = "sim.example.com"
SETS = Resource(GROUP, "v1", "Set", "sets")
"""Has ``spec.count`` ConfigMaps, each with the text of ``spec.text``."""
BATCHES = Resource(GROUP, "v1", "Batch", "batches")
"""Has ``spec.count`` ConfigMaps with names that the API server gives."""
BUCKETS = Resource(GROUP, "v1", "Bucket", "buckets")
"""Has a bucket of the size ``spec.size`` in a service outside of the cluster."""


def definition(resource: Resource) -> dict[str, Any]:
    """Nothing in it is checked, so that objects can be stored which nobody can read."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    names = {"kind": resource.kind, "plural": resource.plural, "singular": resource.kind.lower()}
    return {
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
