"""The projection of an object's metadata."""

import pytest

from kdl_runtime.codec.json import decode, decoder, encode
from kdl_runtime.codec.meta import ObjectMeta, OwnerReference, PartialObject
from kdl_runtime.types import ObjectKey

OBJECT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "12",
        "generation": 3,
        "creationTimestamp": "2026-01-31T12:00:00Z",
        "deletionTimestamp": "2026-01-31T13:00:00Z",
        "deletionGracePeriodSeconds": 30,
        "labels": {"x": "y"},
        "annotations": {"p": "q"},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "o", "uid": "1"},
            {"apiVersion": "batch/v1", "kind": "Job", "name": "c", "uid": "2", "controller": True},
        ],
        "finalizers": ["kdl.io/outcome"],
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {"containers": []},
}


def test_a_projection_has_the_metadata_and_no_more() -> None:
    pod = decoder(PartialObject)(encode(OBJECT))
    assert pod.key == pod.metadata.key == ObjectKey("n", "a")
    assert (pod.api_version, pod.kind, pod.metadata.resource_version, pod.metadata.generation) == ("v1", "Pod", "12", 3)
    assert pod.metadata.deletion_timestamp == "2026-01-31T13:00:00Z"
    assert pod.metadata.finalizers == ("kdl.io/outcome",)
    assert "spec" not in decode(encode(pod))


def test_the_controller_is_the_owner_that_says_so() -> None:
    pod = decoder(PartialObject)(encode(OBJECT))
    assert pod.metadata.controller == OwnerReference("batch/v1", "Job", "c", "2", True)
    assert ObjectMeta(owner_references=(OwnerReference(uid="1"),)).controller is None


def test_an_empty_object_has_defaults_and_encodes_to_nothing() -> None:
    assert decoder(PartialObject)(b"{}") == PartialObject()
    assert encode(PartialObject()) == b"{}"


def test_projections_are_frozen() -> None:
    with pytest.raises(AttributeError):
        PartialObject().kind = "Pod"  # type: ignore[misc]  # it is frozen
