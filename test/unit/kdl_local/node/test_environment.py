from base64 import b64encode
from typing import Any

import pytest

from kdl_local.node.environment import ConfigError, Sources, command, environment, expand

POD = {
    "metadata": {
        "name": "w-0",
        "namespace": "team",
        "uid": "u-1",
        "labels": {"app": "x", "b": 'quote"d'},
        "annotations": {"note": "n"},
    },
    "spec": {
        "nodeName": "local",
        "serviceAccountName": "sa",
        "containers": [{"name": "c"}, {"name": "d", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}],
    },
}
MAPS = {"cm": {"data": {"k": "v", "K2": "v2"}, "binaryData": {"bin": b64encode(b"\x01").decode()}}}
SECRETS = {"s": {"data": {"password": b64encode(b"hunter2").decode()}}}
SOURCES = Sources(POD, MAPS.get, SECRETS.get, "127.0.0.1", "127.64.0.9", {"cpu": "4", "memory": "1Gi"})


def build(*env: dict[str, Any], **container: Any) -> dict[str, str]:
    return environment({"name": "c", "env": list(env), **container}, SOURCES, {"BASE": "b"})


def ref(kind: str, **reference: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: reference}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "X", "value": "plain"}, "plain"),
        ({"name": "X"}, ""),
        ({"name": "X", "value": "$(BASE)/$(MISSING)/$$(BASE)"}, "b/$(MISSING)/$(BASE)"),
        (ref("fieldRef", fieldPath="metadata.name"), "w-0"),
        (ref("fieldRef", fieldPath="metadata.namespace"), "team"),
        (ref("fieldRef", fieldPath="metadata.uid"), "u-1"),
        (ref("fieldRef", fieldPath="metadata.labels['app']"), "x"),
        (ref("fieldRef", fieldPath="metadata.labels['no']"), ""),
        (ref("fieldRef", fieldPath="metadata.annotations['note']"), "n"),
        (ref("fieldRef", fieldPath="metadata.labels"), 'app="x"\nb="quote\\"d"'),
        (ref("fieldRef", fieldPath="spec.nodeName"), "local"),
        (ref("fieldRef", fieldPath="spec.serviceAccountName"), "sa"),
        (ref("fieldRef", fieldPath="status.podIP"), "127.64.0.9"),
        (ref("fieldRef", fieldPath="status.hostIP"), "127.0.0.1"),
        (ref("resourceFieldRef", resource="limits.cpu"), "4"),
        (ref("resourceFieldRef", resource="limits.cpu", containerName="d"), "2"),
        (ref("resourceFieldRef", resource="limits.memory", containerName="d", divisor="1Mi"), "64"),
        (ref("resourceFieldRef", resource="requests.cpu"), "0"),
        (ref("configMapKeyRef", name="cm", key="k"), "v"),
        (ref("secretKeyRef", name="s", key="password"), "hunter2"),
        (ref("configMapKeyRef", name="no", key="k", optional=True), None),
        (ref("configMapKeyRef", name="cm", key="no", optional=True), None),
    ],
)
def test_values(item: dict[str, Any], expected: str | None) -> None:
    assert build(item).get("X") == expected


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (ref("configMapKeyRef", name="no", key="k"), 'configmap "no" not found'),
        (ref("secretKeyRef", name="no", key="k"), 'secret "no" not found'),
        (ref("configMapKeyRef", name="cm", key="no"), "couldn't find key no in ConfigMap team/cm"),
        (ref("fieldRef", fieldPath="spec.hostname"), "spec.hostname is not a field"),
        (ref("resourceFieldRef", resource="limits.cpu", containerName="zz"), "container zz not found"),
        (ref("fileKeyRef", key="k"), "valueFrom fileKeyRef is not supported"),
    ],
)
def test_what_is_missing_is_named(item: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(item)


def test_later_variables_see_and_replace_earlier_ones() -> None:
    result = build(
        {"name": "A", "value": "$(K2)"},
        {"name": "B", "value": "$(A)+$(pre_k)"},
        {"name": "A", "value": "again"},
        envFrom=[{"configMapRef": {"name": "cm"}}, {"prefix": "pre_", "configMapRef": {"name": "cm"}}],
    )
    assert (result["A"], result["B"], result["k"], result["BASE"]) == ("again", "v2+v", "v", "b")


def test_env_from_may_be_optional() -> None:
    assert build(envFrom=[{"secretRef": {"name": "no", "optional": True}}]) == {"BASE": "b"}
    with pytest.raises(ConfigError, match='secret "no" not found'):
        build(envFrom=[{"secretRef": {"name": "no"}}])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $(", "$A ${A} $("),
        ("$(B)", "$(B)"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


def test_the_command_is_expanded() -> None:
    assert command({"name": "c", "command": ["run", "$(A)"], "args": ["--x=$(A)"]}, {"A": "1"}) == ["run", "1", "--x=1"]


def test_a_container_without_command_is_told_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r'container "c" has no command: .*set command in the pod template'):
        command({"name": "c", "args": ["x"]}, {})
