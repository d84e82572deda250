"""The diff against the patch that it is for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdl_runtime.codec.patch import apply_json_patch, json_equal
from kdl_runtime.webhook.jsonpatch import json_diff

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "a/b", "~"]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "b", "c/d", "~e", ""]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, JSON)
@settings(max_examples=300, deadline=None)
def test_the_patch_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    patch = json_diff(old, new)
    assert json_equal(apply_json_patch(old, patch), new)
    assert bool(patch) is not json_equal(old, new)


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c/d": 2}}, [{"op": "add", "path": "/a/c~1d", "value": 2}]),
        ({"a": None}, {}, [{"op": "remove", "path": "/a"}]),
        ({}, {"a": None}, [{"op": "add", "path": "/a", "value": None}]),
        ([1, 3], [1, 2, 3], [{"op": "add", "path": "/1", "value": 2}]),
        ([1, 2, 3], [2, 3], [{"op": "remove", "path": "/0"}]),
        ([1, 2, 3, 4], [1, 4], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]),
        ([{"n": 1, "x": 1}, 2], [{"n": 1, "x": 5}, 2], [{"op": "replace", "path": "/0/x", "value": 5}]),
        ([1, 1], [1, 1, 1], [{"op": "add", "path": "/2", "value": 1}]),
        ([], {}, [{"op": "replace", "path": "", "value": {}}]),
    ],
)
def test_patches_are_small(old: Any, new: Any, patch: list[Any]) -> None:
    assert json_diff(old, new) == patch


def test_a_patch_shares_nothing_with_the_new_document() -> None:
    new = {"a": {"b": [1]}}
    [operation] = json_diff({}, new)
    new["a"]["b"].append(2)
    assert operation["value"] == {"b": [1]}
