"""The lookup from kinds and plurals to resources."""

import pytest

from kdl_runtime.resources.registry import BUILT_IN, CRDS, EVENTS, JOBS, NODES, PODS, Registry
from kdl_runtime.types import Resource

V1 = Resource("kdl.io", "v1", "Thing", "things")
V2 = Resource("kdl.io", "v2", "Thing", "things")


def test_built_in_resources_are_found() -> None:
    registry = Registry()
    assert registry.by_kind("", "Pod") is PODS
    assert registry.by_plural("batch", "jobs") is JOBS
    assert registry.of("events.k8s.io/v1", "Event") is EVENTS
    assert registry.of("v1", "Node") is NODES
    assert set(registry) == set(BUILT_IN)
    assert CRDS.path(None, "x") == "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x"


def test_what_is_not_registered_is_none() -> None:
    registry = Registry([V1])
    assert registry.by_kind("kdl.io", "Other") is None
    assert registry.by_plural("other", "things") is None
    assert registry.of("kdl.io/v2", "Thing") is None


def test_the_first_version_is_the_preferred_one() -> None:
    registry = Registry([V2, V1])
    assert registry.by_kind("kdl.io", "Thing") is V2
    assert registry.by_kind("kdl.io", "Thing", "v1") is V1
    assert registry.by_plural("kdl.io", "things") is V2
    assert registry.by_plural("kdl.io", "things", "v1") is V1


def test_the_same_again_changes_nothing() -> None:
    registry = Registry([V1])
    registry.add(Resource("kdl.io", "v1", "Thing", "things"))
    assert list(registry) == [V1]


@pytest.mark.parametrize(
    "other", [Resource("kdl.io", "v1", "Thing", "thingies"), Resource("kdl.io", "v1", "Other", "things")]
)
def test_a_name_cannot_be_taken_twice(other: Resource) -> None:
    with pytest.raises(ValueError, match=r"cannot be registered: .* has its kind or plural already"):
        Registry([V1]).add(other)
