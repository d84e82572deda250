from typing import Any

import pytest

from kdl_local.apiserver import core_kinds


def texts(errors: list[Any]) -> list[str]:
    return [str(error) for error in errors]


def test_a_namespace_is_active_and_labelled() -> None:
    namespace: dict[str, Any] = {"metadata": {"name": "n", "labels": {"a": "b"}}}
    core_kinds.default_namespace(namespace)
    assert namespace == {
        "metadata": {"name": "n", "labels": {"a": "b", "kubernetes.io/metadata.name": "n"}},
        "status": {"phase": "Active"},
    }


def test_plain_data_of_a_secret_is_encoded_and_dropped() -> None:
    secret: dict[str, Any] = {"data": {"a": "eA=="}, "stringData": {"a": "y", "b": "z"}}
    core_kinds.default_secret(secret)
    assert secret == {"data": {"a": "eQ==", "b": "eg=="}, "type": "Opaque"}


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ({"data": {"a": "!"}}, 'data[a]: Invalid value: "<secret contents redacted>": must be base64'),
        ({"data": {"a/b": "eA=="}}, 'data[a/b]: Invalid value: "a/b": a valid config key must consist'),
        ({"type": "kubernetes.io/tls", "data": {"tls.crt": "eA=="}}, "data[tls.key]: Required value"),
    ],
)
def test_a_bad_secret(secret: dict[str, Any], message: str) -> None:
    assert [error[: len(message)] for error in texts(core_kinds.secret_errors(secret, None))] == [message]


def test_a_secret_never_shows_its_contents() -> None:
    errors = core_kinds.secret_errors({"data": {"a": "not base64"}}, None)
    assert "not base64" not in str(errors)


def test_immutable_data() -> None:
    old = {"type": "Opaque", "immutable": True, "data": {"a": "eA=="}}
    assert core_kinds.secret_errors(old, old) == []
    changed = {**old, "immutable": False, "data": {}}
    assert texts(core_kinds.secret_errors(changed, old)) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"data": {"a": "b"}}, 0),
        ({"data": {"a b": "c"}}, 1),
        ({"data": {"a": "b"}, "binaryData": {"a": "eA=="}}, 1),
        ({"data": {"a": "x" * (1024 * 1024 + 1)}}, 1),
    ],
)
def test_config_maps(config: dict[str, Any], count: int) -> None:
    assert len(core_kinds.config_map_errors(config, None)) == count


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mine", 1_000_000_000, ""),
        ("mine", 1_000_000_001, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        ("system-node-critical", 2_000_001_000, ""),
        ("system-mine", 1, "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved"),
    ],
)
def test_priority_classes(name: str, value: int, message: str) -> None:
    errors = texts(core_kinds.priority_class_errors({"metadata": {"name": name}, "value": value}, None))
    assert [error[: len(message)] for error in errors] == ([message] if message else [])


def test_the_value_of_a_priority_class_is_fixed() -> None:
    old = {"metadata": {"name": "p"}, "value": 1}
    assert texts(core_kinds.priority_class_errors({**old, "value": 2}, old)) == [
        "value: Forbidden: may not be changed in an update."
    ]


@pytest.mark.parametrize(
    ("spec", "count"),
    [({}, 0), ({"leaseDurationSeconds": 0}, 1), ({"leaseTransitions": -1}, 1), ({"leaseDurationSeconds": 15}, 0)],
)
def test_leases(spec: dict[str, Any], count: int) -> None:
    assert len(core_kinds.lease_errors({"spec": spec}, None)) == count


def test_a_node_may_allocate_its_capacity() -> None:
    node: dict[str, Any] = {"status": {"capacity": {"cpu": "2"}}}
    core_kinds.default_node(node)
    assert node["status"]["allocatable"] == {"cpu": "2"}


@pytest.mark.parametrize(
    ("taints", "count"),
    [
        ([{"key": "a", "effect": "NoSchedule"}], 0),
        ([{"key": "a", "effect": "NoRun"}], 1),
        ([{"key": "a"}], 1),
        ([{"key": "a b", "effect": "NoExecute"}], 1),
        ([{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}], 1),
    ],
)
def test_taints(taints: list[dict[str, Any]], count: int) -> None:
    assert len(core_kinds.node_errors({"spec": {"taints": taints}}, None)) == count
