"""Bodies as kubectl and operators in Go send them, put together here field by field."""

import struct
from typing import Any

import pytest

from kdl_local.apiserver.protobuf import CONTENT_TYPE, decode_protobuf, message_name
from kdl_runtime.errors import BadRequest
from unit.kdl_local.apiserver.core.rig import CONFIG_MAPS, PODS, Api


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def entry(number: int, key: str, value: str | bytes) -> bytes:
    return field(number, field(1, key) + field(2, value))


def envelope(api_version: str, kind: str, body: bytes) -> bytes:
    type_meta = field(1, api_version) + field(2, kind)
    return b"k8s\x00" + field(1, type_meta) + field(2, body) + field(3, "") + field(4, "")


# As Go writes it: strings that are not set are written as empty, the zero time as an empty message.
OBJECT_META = (
    field(1, "a")
    + field(2, "")
    + field(3, "default")
    + field(5, "")
    + field(7, 0)
    + field(8, b"")
    + entry(11, "color", "red")
    + field(13, field(1, "Job") + field(3, "j") + field(4, "u") + field(5, "v1") + field(6, 1) + field(7, 0))
    + field(14, "x/y")
)


def test_metadata_and_maps() -> None:
    body = field(1, OBJECT_META) + entry(2, "x", "1") + entry(3, "b", b"\x00\xff") + field(4, 0)
    assert decode_protobuf(envelope("v1", "ConfigMap", body)) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {
            "name": "a",
            "namespace": "default",
            "labels": {"color": "red"},
            "ownerReferences": [
                {
                    "kind": "Job",
                    "name": "j",
                    "uid": "u",
                    "apiVersion": "v1",
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
            "finalizers": ["x/y"],
        },
        "data": {"x": "1"},
        "binaryData": {"b": "AP8="},
        "immutable": False,
    }


def _decode_pod(spec: bytes, status: bytes = b"") -> dict[str, Any]:
    return decode_protobuf(envelope("v1", "Pod", field(1, field(1, "p")) + field(2, spec) + field(3, status)))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(field(4, -1 & ((1 << 64) - 1)), {"terminationGracePeriodSeconds": -1}, id="negative number"),
        pytest.param(field(11, 0) + field(12, 1), {"hostPID": True}, id="false is omitted where JSON omits it"),
        pytest.param(field(21, 0), {"automountServiceAccountToken": False}, id="a false that was set is kept"),
        pytest.param(entry(7, "disk", "ssd"), {"nodeSelector": {"disk": "ssd"}}, id="map"),
        pytest.param(
            field(1, field(1, "v") + field(2, field(2, field(1, "Memory")))),
            {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]},
            id="inlined volume source",
        ),
        pytest.param(
            field(2, field(1, "c") + field(8, entry(2, "cpu", field(1, "500m")))),
            {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]},
            id="quantity",
        ),
        pytest.param(
            field(2, field(1, "c") + field(10, field(1, field(3, field(1, field(1, 0) + field(2, 80)))))),
            {"containers": [{"name": "c", "livenessProbe": {"tcpSocket": {"port": 80}}}]},
            id="port by number",
        ),
        pytest.param(
            field(2, field(1, "c") + field(10, field(1, field(3, field(1, field(1, 1) + field(3, "web")))))),
            {"containers": [{"name": "c", "livenessProbe": {"tcpSocket": {"port": "web"}}}]},
            id="port by name",
        ),
        pytest.param(field(2000, "later"), {}, id="unknown field"),
        pytest.param(_varint(2001 << 3 | 1) + struct.pack("<q", 1), {}, id="unknown fixed field"),
    ],
)
def test_fields_of_a_pod(spec: bytes, expected: dict[str, Any]) -> None:
    assert _decode_pod(spec)["spec"] == expected


def test_times() -> None:
    decoded = _decode_pod(b"", field(7, field(1, 1769860800) + field(2, 5)))
    assert decoded["status"]["startTime"] == "2026-01-31T12:00:00Z"
    lease = field(1, field(1, "l")) + field(2, field(4, field(1, 1769860800) + field(2, 123456000)))
    decoded = decode_protobuf(envelope("coordination.k8s.io/v1", "Lease", lease))
    assert decoded["spec"] == {"renewTime": "2026-01-31T12:00:00.123456Z"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not start as"),
        (b"{}", "does not start as"),
        (b"k8s\x00\x0a\x05v", "cut off"),
        (b"k8s\x00\xff", "broken"),
        (b"k8s\x00" + b"\xff" * 12, "broken"),
        (envelope("v1", "ConfigMap", b"\x0b"), "unknown wire type"),
        (envelope("v1", "ConfigMap", field(1, 5)), "bytes are expected"),
        (envelope("v1", "ConfigMap", field(1, field(1, b"\xff"))), "broken"),
        (envelope("example.com/v1", "Widget", b""), "Widget of example.com/v1 has no protobuf encoding here"),
    ],
)
def test_broken_bodies(data: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        decode_protobuf(data)


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("v1", "Pod", "core/v1.Pod"),
        ("rbac.authorization.k8s.io/v1", "Role", "rbac/v1.Role"),
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview", "authorization/v1.SelfSubjectAccessReview"),
        ("v1", "DeleteOptions", "meta/v1.DeleteOptions"),
        ("policy/v1", "DeleteOptions", "meta/v1.DeleteOptions"),
        ("v1", "Nothing", None),
    ],
)
def test_messages_are_named_by_kind(api_version: str, kind: str, name: str | None) -> None:
    assert message_name(api_version, kind) == name


async def test_the_server_takes_protobuf(api: Api) -> None:
    body = envelope("v1", "ConfigMap", field(1, field(1, "a")) + entry(2, "x", "1"))
    created = await api("POST", CONFIG_MAPS, body, content_type=CONTENT_TYPE, accept=f"{CONTENT_TYPE}, */*")
    assert created.code == 201
    assert created.object["data"] == {"x": "1"}
    options = envelope("v1", "DeleteOptions", field(2, field(1, "another")))
    refused = await api("DELETE", f"{CONFIG_MAPS}/a", options, content_type=CONTENT_TYPE)
    assert refused.code == 409
    spec = field(2, field(1, "c") + field(2, "kdl/python"))
    pod = envelope("v1", "Pod", field(1, field(1, "p")) + field(2, spec))
    assert (await api("POST", PODS, pod, content_type=CONTENT_TYPE)).object["spec"]["restartPolicy"] == "Always"
