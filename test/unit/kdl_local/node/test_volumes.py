from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from kdl_local.node.environment import ConfigError, Sources
from kdl_local.node.launch import Mount
from kdl_local.node.volumes import VolumeError, mounts, set_up

POD = {"metadata": {"name": "p", "namespace": "default", "labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
MAPS = {"cm": {"data": {"k": "v", "l": "w"}}}
SECRETS = {"s": {"data": {"key": b64encode(b"\x00secret").decode()}}}
SOURCES = Sources(POD, MAPS.get, SECRETS.get, "127.0.0.1", "127.64.0.1", {"cpu": "2"})


def files(path: Path) -> dict[str, bytes]:
    return {str(item.relative_to(path)): item.read_bytes() for item in sorted(path.rglob("*")) if item.is_file()}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"emptyDir": {}}, {}),
        ({"emptyDir": {"medium": "Memory"}}, {}),
        ({"configMap": {"name": "cm"}}, {"k": b"v", "l": b"w"}),
        ({"configMap": {"name": "cm", "items": [{"key": "k", "path": "d/x"}]}}, {"d/x": b"v"}),
        ({"configMap": {"name": "no", "optional": True}}, {}),
        ({"configMap": {"name": "cm", "optional": True, "items": [{"key": "no", "path": "x"}]}}, {}),
        ({"secret": {"secretName": "s"}}, {"key": b"\x00secret"}),
        ({"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}, {"l": b'a="b"'}),
        (
            {
                "downwardAPI": {
                    "items": [{"path": "c", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}]
                }
            },
            {"c": b"2"},
        ),
        (
            {"projected": {"sources": [{"configMap": {"name": "cm"}}, {"secret": {"name": "s"}}]}},
            {"k": b"v", "l": b"w", "key": b"\x00secret"},
        ),
    ],
)
def test_contents(volume: dict[str, Any], expected: dict[str, bytes], tmp_path: Path) -> None:
    made = set_up({"name": "v", **volume}, SOURCES, tmp_path / "v")
    assert files(made) == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'volume "v" : configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "cm", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent config key: no",
        ),
        ({"configMap": {"name": "cm", "items": [{"key": "k", "path": "../x"}]}}, "path ../x leaves the volume"),
        ({"nfs": {"server": "s"}}, "nfs are not supported.*use emptyDir"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}, "serviceAccountToken are not supported"),
        ({"hostPath": {"path": "/no/such", "type": "Directory"}}, "/no/such is not a Directory"),
        ({"hostPath": {"path": "/etc/passwd", "type": "Directory"}}, "/etc/passwd is not a Directory"),
        ({"hostPath": {"path": "/etc/passwd", "type": "Socket"}}, "/etc/passwd is not a Socket"),
    ],
)
def test_what_cannot_be_set_up(volume: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=message):
        set_up({"name": "v", **volume}, SOURCES, tmp_path / "v")


def test_modes(tmp_path: Path) -> None:
    items = [{"key": "k", "path": "k", "mode": 0o500}, {"key": "l", "path": "l"}]
    made = set_up({"name": "v", "configMap": {"name": "cm", "defaultMode": 0o640, "items": items}}, SOURCES, tmp_path)
    assert [(made / name).stat().st_mode & 0o777 for name in "kl"] == [0o500, 0o640]


def test_an_empty_dir_keeps_what_is_in_it(tmp_path: Path) -> None:
    volume: dict[str, Any] = {"name": "v", "emptyDir": {}}
    (set_up(volume, SOURCES, tmp_path / "v") / "x").write_text("kept")
    assert files(set_up(volume, SOURCES, tmp_path / "v")) == {"x": b"kept"}


@pytest.mark.parametrize(("kind", "is_dir"), [("DirectoryOrCreate", True), ("FileOrCreate", False), ("", True)])
def test_host_paths_that_are_made(kind: str, is_dir: bool, tmp_path: Path) -> None:
    place = tmp_path / "host"
    assert set_up({"name": "v", "hostPath": {"path": str(place), "type": kind}}, SOURCES, tmp_path / "v") == place
    assert place.is_dir() is is_dir


def test_mounts_of_a_container(tmp_path: Path) -> None:
    container = {
        "name": "c",
        "volumeMounts": [
            {"name": "v", "mountPath": "/a"},
            {"name": "v", "mountPath": "/b", "subPath": "sub", "readOnly": True},
            {"name": "v", "mountPath": "/c", "subPathExpr": "$(POD)/x"},
        ],
    }
    assert mounts(container, {"v": tmp_path}, {"POD": "p-0"}) == [
        Mount(str(tmp_path), "/a"),
        Mount(str(tmp_path / "sub"), "/b", read_only=True),
        Mount(str(tmp_path / "p-0/x"), "/c"),
    ]
    assert (tmp_path / "p-0/x").is_dir()


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"name": "other", "mountPath": "/a"}, 'volumeMounts name "other": the pod has no such volume'),
        ({"name": "v", "mountPath": "/a", "subPath": "../../etc"}, "leaves its volume"),
    ],
)
def test_mounts_that_cannot_be(mount: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        mounts({"name": "c", "volumeMounts": [mount]}, {"v": tmp_path}, {})
