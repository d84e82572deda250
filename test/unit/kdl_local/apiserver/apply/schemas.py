"""A schema with something of everything that merging depends on."""

from typing import Any

from kdl_local.apiserver.apply.custom_types import custom_type

_NAME = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "text": _NAME,
                "number": {"type": "integer"},
                "flag": {"type": "boolean"},
                "either": {"x-kubernetes-int-or-string": True},
                "atomicList": {"type": "array", "items": _NAME},
                "set": {"type": "array", "items": _NAME, "x-kubernetes-list-type": "set"},
                "list": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": _NAME, "value": {"type": "integer"}, "inner": _NAME},
                    },
                },
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "port": {"type": "integer"},
                            "protocol": {"type": "string", "default": "TCP"},
                            "name": _NAME,
                        },
                    },
                },
                "map": {"type": "object", "additionalProperties": _NAME},
                "struct": {"type": "object", "properties": {"a": _NAME, "b": _NAME}},
                "atomicStruct": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "properties": {"a": _NAME, "b": _NAME},
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
}
TYPE = custom_type(SCHEMA)


def obj(**spec: Any) -> dict[str, Any]:
    return {"spec": spec} if spec else {}
