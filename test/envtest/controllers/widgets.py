"""A kind for controllers that are written for a test: a Widget has a number of ConfigMaps."""

from typing import Any

from kdl_runtime import Resource

WIDGETS = Resource("controllers.example.com", "v1", "Widget", "widgets")
LATE = Resource("late.example.com", "v1", "Gadget", "gadgets")


def definition(resource: Resource) -> dict[str, Any]:
    """A CRD with a status of its own and any fields."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": resource.kind, "plural": resource.plural, "singular": resource.kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.group_resource},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
