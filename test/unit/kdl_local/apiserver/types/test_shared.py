import gc
from collections.abc import Mapping
from typing import Any

from kdl_local.apiserver.apply.custom_types import custom_type
from kdl_local.apiserver.node import compile_schema
from kdl_local.apiserver.schema import StructuralSchema
from kdl_local.apiserver.shared import Shared


class Made:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema


def pod(type_: str = "string") -> dict[str, Any]:
    return {"type": "object", "properties": {"name": {"type": type_}}}


def test_schemas_that_say_the_same_share_what_is_made_of_them() -> None:
    shared = Shared(Made)
    first = shared.of(pod())
    assert shared.of(pod()) is first
    assert shared.of(pod("integer")) is not first


def test_nothing_is_kept_that_nobody_uses() -> None:
    made: list[int] = []

    def make(schema: Mapping[str, Any]) -> Made:
        made.append(1)
        return Made(schema)

    shared = Shared(make)
    for _ in range(2):
        shared.of(pod())
        gc.collect()
    assert len(made) == 2


def test_the_roles_of_a_job_share_their_nodes() -> None:
    root = compile_schema({"type": "object", "properties": {"chief": pod(), "worker": pod()}})
    assert root.properties["chief"] is root.properties["worker"]
    type_ = custom_type({"type": "object", "properties": {"chief": pod(), "worker": pod()}})
    assert type_.map is not None
    assert type_.map.fields["chief"] is type_.map.fields["worker"]


def test_a_root_has_metadata_and_what_says_the_same_below_has_not() -> None:
    inner = {"type": "object", "properties": {"spec": {"type": "object"}}}
    other = StructuralSchema(inner)
    schema = StructuralSchema({"type": "object", "properties": {"inner": inner}})
    assert other.prune({"metadata": {}, "spec": {}}) == []
    assert schema.prune({"metadata": {}, "inner": {"metadata": {}, "spec": {}}}) == ["inner.metadata"]


def test_below_a_schema_that_keeps_unknown_fields_the_same_words_mean_more() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    preserved = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"inner": inner}}
    type_ = custom_type({"type": "object", "properties": {"inner": inner, "preserved": preserved}})
    assert type_.map is not None
    below = type_.map.fields["preserved"].map
    assert below is not None
    strict, loose = type_.map.fields["inner"].map, below.fields["inner"].map
    assert strict is not None and strict.of("b") is None
    assert loose is not None and loose.of("b") is not None
