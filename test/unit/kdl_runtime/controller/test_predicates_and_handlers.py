"""Pure functions of events, as tables."""

from typing import Any

import pytest

from kdl_runtime.cache.event import Event, EventType
from kdl_runtime.codec.meta import ObjectMeta, OwnerReference, PartialObject
from kdl_runtime.codec.selectors import LabelSelector
from kdl_runtime.controller.handlers import enqueue_mapped, enqueue_owner, enqueue_self
from kdl_runtime.controller.predicates import (
    Predicate,
    all_of,
    annotation_changed,
    any_of,
    deletion_changed,
    generation_changed,
    label_changed,
    matches_labels,
    negate,
    resource_version_changed,
)
from kdl_runtime.types import ObjectKey, Resource

JOBS = Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs")
CLUSTER_JOBS = Resource("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs", namespaced=False)


def obj(**fields: Any) -> PartialObject:
    known: dict[str, Any] = {"name": "a", "namespace": "ns", "uid": "u", "resource_version": "1", "generation": 1}
    return PartialObject(metadata=ObjectMeta(**known | fields))


def modified(new: PartialObject, old: PartialObject | None = None) -> Event[PartialObject]:
    return Event(EventType.MODIFIED, old or obj(), new)


def added(new: PartialObject) -> Event[PartialObject]:
    return Event(EventType.ADDED, None, new)


def owned(*references: tuple[str, str, bool]) -> PartialObject:
    """References as (apiVersion, name, controller)."""
    made = tuple(OwnerReference(version, "XGBoostJob", name, f"uid-{name}", flag) for version, name, flag in references)
    return obj(owner_references=made)


@pytest.mark.parametrize(
    ("predicate", "change", "passes"),
    [
        (resource_version_changed, {"resource_version": "2"}, True),
        (resource_version_changed, {}, False),
        (generation_changed, {"generation": 2}, True),
        (generation_changed, {"resource_version": "2", "labels": {"a": "b"}}, False),
        (label_changed, {"labels": {"a": "b"}}, True),
        (label_changed, {"annotations": {"a": "b"}}, False),
        (annotation_changed, {"annotations": {"a": "b"}}, True),
        (annotation_changed, {"labels": {"a": "b"}}, False),
        (deletion_changed, {"deletion_timestamp": "2026-01-31T12:00:00Z"}, True),
        (deletion_changed, {"generation": 2}, False),
        (all_of(generation_changed, label_changed), {"generation": 2}, False),
        (all_of(generation_changed, label_changed), {"generation": 2, "labels": {"a": "b"}}, True),
        (all_of(), {}, True),
        (any_of(generation_changed, label_changed), {"generation": 2}, True),
        (any_of(generation_changed, label_changed), {}, False),
        (any_of(), {}, False),
        (negate(generation_changed), {}, True),
        (matches_labels(LabelSelector.parse("a=b")), {"labels": {"a": "b"}}, True),
        (matches_labels(LabelSelector.parse("a=b")), {"labels": {"a": "c"}}, False),
    ],
)
def test_predicates_of_updates(predicate: Predicate, change: dict[str, Any], passes: bool) -> None:
    assert predicate(modified(obj(**change))) is passes


@pytest.mark.parametrize("predicate", [resource_version_changed, generation_changed, label_changed, annotation_changed])
def test_additions_and_deletions_pass(predicate: Predicate) -> None:
    assert predicate(added(obj()))
    assert predicate(Event(EventType.DELETED, obj(), None))


def test_the_update_that_leaves_a_selection_passes() -> None:
    predicate = matches_labels(LabelSelector.parse("a=b"))
    assert predicate(modified(obj(), obj(labels={"a": "b"})))


@pytest.mark.parametrize(
    ("event", "owners"),
    [
        pytest.param(added(owned(("kubeflow.org/v1", "j", True))), ["ns/j"], id="its controller"),
        pytest.param(added(owned(("kubeflow.org/v2", "j", True))), ["ns/j"], id="in any version"),
        pytest.param(added(owned(("other.org/v1", "j", True))), [], id="not of another group"),
        pytest.param(added(owned(("kubeflow.org/v1", "j", False))), [], id="not of a mere owner"),
        pytest.param(added(obj()), [], id="nothing for an orphan"),
        pytest.param(
            modified(owned(("kubeflow.org/v1", "new", True)), owned(("kubeflow.org/v1", "old", True))),
            ["ns/old", "ns/new"],
            id="both when it changes hands",
        ),
        pytest.param(
            modified(owned(("kubeflow.org/v1", "j", True)), owned(("kubeflow.org/v1", "j", True))),
            ["ns/j"],
            id="one once",
        ),
    ],
)
def test_enqueue_owner(event: Event[PartialObject], owners: list[str]) -> None:
    assert [str(key) for key in enqueue_owner(JOBS)(event)] == owners


def test_enqueue_owner_variants() -> None:
    event = added(owned(("kubeflow.org/v1", "j", True), ("kubeflow.org/v1", "k", False)))
    assert list(enqueue_owner(JOBS, controller_only=False)(event)) == [ObjectKey("ns", "j"), ObjectKey("ns", "k")]
    assert list(enqueue_owner(CLUSTER_JOBS)(event)) == [ObjectKey("", "j")]


def test_enqueue_self_and_mapped() -> None:
    event = modified(obj(labels={"of": "y"}), obj(labels={"of": "x"}))
    assert list(enqueue_self(event)) == [ObjectKey("ns", "a")]
    mapped = enqueue_mapped(lambda each: [ObjectKey("", each.metadata.labels["of"]), ObjectKey("", "both")])
    assert list(mapped(event)) == [ObjectKey("", "x"), ObjectKey("", "both"), ObjectKey("", "y")]
