"""A custom resource with something of everything that a CustomResourceDefinition can say."""

from typing import Any

from conformance.api import Api, Object

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_SPEC: Object = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "name": {
            "type": "string",
            "maxLength": 5,
            "minLength": 2,
            "pattern": "^[a-z]+$",
            "x-kubernetes-validations": [{"rule": "self != 'wrong'", "messageExpression": "'it is ' + self"}],
        },
        "port": {"x-kubernetes-int-or-string": True},
        "ratio": {"type": "number"},
        "on": {"type": "boolean"},
        "note": {"type": "string", "nullable": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "quotas": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["limit"],
                "properties": {"limit": {"type": "integer"}, "unit": {"type": "string", "default": "byte"}},
            },
        },
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "parts": {
            "type": "array",
            "maxItems": 5,
            "items": {
                "type": "object",
                "required": ["key"],
                "properties": {
                    "key": {"type": "string", "maxLength": 20},
                    "weight": {"type": "integer", "default": 1},
                },
                "x-kubernetes-validations": [{"rule": "self.weight >= 0", "message": "weights are not negative"}],
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["key"],
        },
        "fixed": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is fixed once it is set"}],
        },
        "low": {"type": "integer"},
        "high": {"type": "integer"},
        "replicas": {"type": "integer", "minimum": 0},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.low) || !has(self.high) || self.low <= self.high",
            "message": "low is above high",
            "fieldPath": ".low",
            "reason": "FieldValueForbidden",
        }
    ],
}

_STATUS: Object = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
    },
}

COLUMNS: list[Object] = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where it is.", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def schema(**spec: Any) -> Object:
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec or _SPEC, "status": _STATUS}}}


def definition(group: str, *, plural: str = "widgets", kind: str = "Widget") -> Object:
    """A CRD with one version, v1, which is namespaced and has both subresources."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": schema(),
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": COLUMNS,
        "selectableFields": [{"jsonPath": ".spec.mode"}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": ["wdg"], "categories": ["toys"]},
            "versions": [version],
        },
    }


async def install(api: Api, crd: Object) -> Object:
    """The CRD as it is once its objects can be written."""
    made = await api.ok("POST", CRDS, crd)
    name, group, plural = made["metadata"]["name"], crd["spec"]["group"], crd["spec"]["names"]["plural"]
    await api.until(f"{CRDS}/{name}", lambda answer: condition(answer.object, "Established") == "True")
    versions = [version["name"] for version in crd["spec"]["versions"] if version["served"]]
    for version in versions:
        await api.until(f"/apis/{group}/{version}/{plural}", lambda answer: answer.code == 200)
    return await api.ok("GET", f"{CRDS}/{name}")


def condition(obj: Object, type_: str) -> str:
    """The status of a condition; empty if there is none of that type."""
    conditions = obj.get("status", {}).get("conditions") or ()
    return next((str(item["status"]) for item in conditions if item["type"] == type_), "")


class Widgets:
    """The widgets in the test's namespace, by name."""

    def __init__(self, api: Api, group: str) -> None:
        self.api = api
        self.group = group
        self.api_version = f"{group}/v1"

    def path(self, name: str = "") -> str:
        return self.api.path("widgets", name, group_version=self.api_version)

    def new(self, name: str, /, **spec: Any) -> Object:
        return {"apiVersion": self.api_version, "kind": "Widget", "metadata": {"name": name}, "spec": spec}

    async def create(self, name: str, /, **spec: Any) -> Object:
        return await self.api.ok("POST", self.path(), self.new(name, **spec))
