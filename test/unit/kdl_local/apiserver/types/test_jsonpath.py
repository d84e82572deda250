from typing import Any

import pytest

from kdl_local.apiserver.jsonpath import PathError, compile_path

OBJECT = {
    "metadata": {"labels": {"a.b/c": "x", "plain": "y"}},
    "spec": {"replicas": 3, "items": [{"n": 1}, {"n": 2}, {"n": 3}], "none": None},
    "status": {
        "conditions": [
            {"type": "Created", "status": "True", "weight": 1},
            {"type": "Ready", "status": "False", "weight": 5},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.replicas", [3]),
        ("{.spec.replicas}", [3]),
        ("$.spec.replicas", [3]),
        ("spec.replicas", [3]),
        (".spec.none", [None]),
        (".spec.absent", []),
        (".spec.replicas.deeper", []),
        (".spec.items[0].n", [1]),
        (".spec.items[-1].n", [3]),
        (".spec.items[7].n", []),
        (".spec.items[-1:].n", [3]),
        (".spec.items[1:].n", [2, 3]),
        (".spec.items[:1].n", [1]),
        (".spec.items[*].n", [1, 2, 3]),
        (".metadata.labels['a.b/c']", ["x"]),
        ('.metadata.labels["plain"]', ["y"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        ("['spec'].replicas", [3]),
        ('.status.conditions[?(@.type=="Ready")].status', ["False"]),
        (".status.conditions[?(@.type=='Ready')].status", ["False"]),
        ('.status.conditions[?(@.type == "Absent")].status', []),
        (".status.conditions[?(@.weight>1)].type", ["Ready"]),
        (".status.conditions[?(@.type>1)].type", []),
        ('.status.conditions[?(@.status!="True")].type', ["Ready"]),
        (".status.conditions[?(@.weight)].type", ["Created", "Ready"]),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert compile_path(path)(OBJECT) == found


@pytest.mark.parametrize("path", [".spec[", ".spec[a]", "{range .items[*]}", ".a..b", ".a[?(b)]"])
def test_unsupported_paths_are_refused(path: str) -> None:
    with pytest.raises(PathError, match="is not supported"):
        compile_path(path)
