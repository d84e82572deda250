"""Metadata that a client had better not send: in an update, in a patch, in a status."""

from conformance.differential.kinds import Object
from conformance.differential.steps import reference

_OTHER_UID = "11111111-2222-3333-4444-555555555555"
_OWNER_WITHOUT_UID: Object = {"apiVersion": "v1", "kind": "Pod", "name": "y"}


def in_updates() -> list[Object]:
    """Of an object that was read and is put back."""
    return [
        {"name": "other"},
        {"namespace": "fz-b"},
        {"uid": _OTHER_UID},
        {"uid": None},
        {"creationTimestamp": "2020-01-01T00:00:00Z"},
        {"generation": 70},
        {"finalizers": ["example.com/third"]},
        {"ownerReferences": None},
        {"generateName": "gen-"},
        {"deletionTimestamp": "2020-01-01T00:00:00Z"},
        {"deletionGracePeriodSeconds": 7},
    ]


def in_patches(path: str) -> list[Object]:
    """Of the object at a path."""
    return [
        {"resourceVersion": reference("rv", path)},
        {"resourceVersion": reference("old", path)},
        {"uid": _OTHER_UID},
        {"name": "other"},
        {"labels": None},
        {"labels": {"bad label": "x"}},
        {"finalizers": None},
        {"finalizers": ["bad finalizer"]},
        {"ownerReferences": [_OWNER_WITHOUT_UID]},
    ]


def in_statuses() -> list[Object]:
    """Of which a status may be accompanied."""
    return [
        {"uid": _OTHER_UID},
        {"deletionTimestamp": "2020-01-01T00:00:00Z"},
        {"deletionGracePeriodSeconds": 7},
        {"generateName": "gen-"},
        {"generation": 70},
        {"labels": {"app": "db"}},
        {"labels": {"bad label": "x"}},
        {"finalizers": ["example.com/third"]},
        {"ownerReferences": [_OWNER_WITHOUT_UID]},
    ]
