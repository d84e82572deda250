"""What is changed before it is kept."""

from typing import Any

import pytest

from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.cache.transform import metadata_alone, of_objects, without_managed_fields
from kdl_runtime.codec.json import decode, encode
from kdl_runtime.resources.registry import NODES, PODS
from kdl_testing.virtual_time import run
from unit.kdl_runtime.cache.scripted import Line, event, page, pod
from unit.kdl_runtime.cache.watched import EXPIRED, KEY, Watched

MANAGED = [{"manager": "m", "fieldsV1": {"f:spec": {}}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pod("a", 1, managedFields=MANAGED) | {"spec": {"x": 1}}, pod("a", 1) | {"spec": {"x": 1}}),
        (pod("a", 1), pod("a", 1)),
        (pod("a", 1) | {"data": {"managedFields": "mine"}}, pod("a", 1) | {"data": {"managedFields": "mine"}}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"kind": '"managedFields"'}, {"kind": '"managedFields"'}),
    ],
)
def test_without_managed_fields(before: dict[str, Any], after: dict[str, Any]) -> None:
    once = without_managed_fields(encode(before))
    assert decode(once) == after
    assert without_managed_fields(once) == once


def test_metadata_alone() -> None:
    assert decode(metadata_alone(encode(pod("a", 1) | {"spec": {"x": 1}}))) == pod("a", 1)
    assert metadata_alone(b"{}") == b"{}"


def test_all_that_comes_is_changed_and_what_cannot_be_is_left_out() -> None:
    def no_secrets(obj: dict[str, Any]) -> dict[str, Any]:
        obj["spec"].pop("secret", None)
        return obj

    async def main() -> None:
        good = {"spec": {"secret": "x", "y": 1}}
        answers: list[Line] = [event("MODIFIED", pod("a", 6) | good), event("ADDED", pod("bad", 7)), EXPIRED]
        watched = Watched(page(5, pod("a", 1) | good), answers, transform=of_objects(no_secrets))
        for version in ("1", "6"):
            await watched.steps(1)
            assert watched.informer.object(KEY) == {
                "apiVersion": "v1",
                "kind": "Pod",
                **pod("a", version),
                "spec": {"y": 1},
            }
        assert watched.shown == {"a": "6"}
        assert watched.metrics.value("kdl_runtime_undecodable_objects_total", resource="pods", watch="pods") == 1
        watched.write(pod("a", 8) | good)
        assert (watched.informer.object(KEY) or {})["spec"] == {"y": 1}

    run(main())


def test_a_spec_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="either namespaces or except_namespaces"):
        WatchSpec(PODS, namespaces=("a",), except_namespaces=("b",))
    with pytest.raises(ValueError, match="nodes have no namespaces"):
        WatchSpec(NODES, namespaces=("a",))


@pytest.mark.parametrize(
    ("spec", "fields", "text"),
    [
        (WatchSpec(PODS), "", "pods"),
        (WatchSpec(PODS, except_namespaces=("a",)), "metadata.namespace!=a", "pods not in a"),
        (WatchSpec(PODS, field_selector="x=y", except_namespaces=("a",)), "x=y,metadata.namespace!=a", "pods not in a"),
        (WatchSpec(NODES, except_namespaces=("a",)), "", "nodes not in a"),
    ],
)
def test_namespaces_that_are_left_out_are_a_field_selector(spec: WatchSpec, fields: str, text: str) -> None:
    assert spec.server_fields == fields
    assert str(spec) == text
