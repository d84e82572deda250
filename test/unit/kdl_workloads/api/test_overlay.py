"""Merging a part of a pod template into one, by the rules of strategic merge patches."""

from typing import Any

import pytest

from kdl_workloads.api.overlay import overlaid

BASE: dict[str, Any] = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "containers": [
            {"name": "train", "image": "train:1", "env": [{"name": "A", "value": "1"}], "command": ["a", "b"]},
            {"name": "log", "image": "log:1"},
        ],
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "a"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    },
}


@pytest.mark.parametrize(
    ("overlay", "path", "expected"),
    [
        ({}, (), BASE),
        ({"nodeSelector": {"gpu": "h100"}}, ("nodeSelector",), {"zone": "a", "gpu": "h100"}),
        ({"nodeSelector": {"zone": None}}, ("nodeSelector",), {}),
        ({"nodeSelector": None}, ("nodeSelector",), None),
        ({"tolerations": [{"key": "b"}]}, ("tolerations",), [{"key": "b"}]),
        ({"priorityClassName": "high"}, ("priorityClassName",), "high"),
        (
            {"containers": [{"name": "train", "resources": {"limits": {"gpu": 8}}}]},
            ("containers", 0),
            {**BASE["spec"]["containers"][0], "resources": {"limits": {"gpu": 8}}},
        ),
        ({"containers": [{"name": "train", "command": ["c"]}]}, ("containers", 0, "command"), ["c"]),
        ({"containers": [{"name": "new", "image": "n:1"}]}, ("containers", 2), {"name": "new", "image": "n:1"}),
        (
            {"containers": [{"name": "train", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]}]},
            ("containers", 0, "env"),
            [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}],
        ),
        (
            {"volumes": [{"name": "data", "emptyDir": {"medium": "Memory"}}, {"name": "more", "emptyDir": {}}]},
            ("volumes",),
            [{"name": "data", "emptyDir": {"medium": "Memory"}}, {"name": "more", "emptyDir": {}}],
        ),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
            ("affinity", "nodeAffinity"),
            {"requiredDuringSchedulingIgnoredDuringExecution": {}},
        ),
        ({"imagePullSecrets": [{"name": "a"}]}, ("imagePullSecrets",), [{"name": "a"}]),
    ],
)
def test_overlaid(overlay: dict[str, Any], path: tuple[Any, ...], expected: Any) -> None:
    found: Any = overlaid(BASE, {"spec": overlay})
    if not path:
        assert found == expected
        return
    found = found["spec"]
    for part in path:
        found = found.get(part) if isinstance(found, dict) else found[part]
    assert found == expected


def test_the_base_stays_as_it_is() -> None:
    before = str(BASE)
    overlaid(BASE, {"metadata": {"labels": {"b": "2"}}, "spec": {"containers": [{"name": "train", "image": "x"}]}})
    assert str(BASE) == before


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"containers": [{"image": "a"}]}, r"spec\.containers\[0\] needs the field name"),
        ({"containers": ["a"]}, r"spec\.containers\[0\] needs the field name"),
        ({"containers": {"name": "a"}}, r"spec\.containers must be a list"),
        ({"nodeSelector": ["a"]}, r"spec\.nodeSelector must be an object"),
        ({"nodeSelector": "a"}, r"spec\.nodeSelector must be an object"),
    ],
)
def test_what_cannot_be_merged(overlay: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        overlaid(BASE, {"spec": overlay})
