"""Volumes of a pod as directories of the host, and the mounts of its containers."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_local.node.environment import ConfigError, Sources, expand, object_data, pod_field, resource_field
from kdl_local.node.launch import Mount

Object = Mapping[str, Any]

_DEFAULT_MODE = 0o644


class VolumeError(Exception):
    """A volume cannot be set up now; ``str()`` is the message of the FailedMount event."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a volume."""

    path: str
    data: bytes
    mode: int


def set_up(volume: Object, sources: Sources, directory: Path) -> Path:
    """Makes a volume in ``directory`` and returns what is to be mounted, which for a hostPath is elsewhere.

    May be called again for a volume that exists: files are written anew, an emptyDir keeps its contents.
    """
    name = volume["name"]
    try:
        if "hostPath" in volume:
            return _host_path(volume["hostPath"])
        items = _items(volume, sources)
    except (ConfigError, VolumeError, OSError) as error:
        raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None
    directory.mkdir(parents=True, exist_ok=True)
    if items is None:
        directory.chmod(0o777)
        return directory
    for item in items:
        _write(directory, item)
    return directory


def _items(volume: Object, sources: Sources) -> list[Item] | None:
    """The files of a volume; None for an emptyDir, which the pod fills itself."""
    if "emptyDir" in volume:
        return None
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return _source_items(kind, volume[kind], sources, _mode(volume[kind], _DEFAULT_MODE))
    if "projected" in volume:
        return _projected(volume["projected"], sources)
    kind = next((key for key in volume if key != "name"), "")
    raise VolumeError(
        f"volumes of type {kind} are not supported on this node: use emptyDir, configMap, secret, downwardAPI, "
        "projected, persistentVolumeClaim or hostPath"
    )


def _projected(source: Object, sources: Sources) -> list[Item]:
    default, items = _mode(source, _DEFAULT_MODE), []
    for part in source.get("sources") or ():
        for kind, value in part.items():
            if kind not in ("configMap", "secret", "downwardAPI"):
                raise VolumeError(f"projected volumes with {kind} are not supported on this node")
            items += _source_items(kind, value, sources, default)
    return items


def _source_items(kind: str, source: Object, sources: Sources, default: int) -> list[Item]:
    if kind == "downwardAPI":
        return [_downward(item, sources, default) for item in source.get("items") or ()]
    name = source.get("name") or source.get("secretName") or ""
    optional = bool(source.get("optional"))
    data = object_data("configmap" if kind == "configMap" else "secret", name, sources, optional=optional)
    if data is None:
        return []
    if not source.get("items"):
        return [Item(key, value, default) for key, value in sorted(data.items())]
    items = []
    for item in source["items"]:
        if item["key"] in data:
            items.append(Item(item["path"], data[item["key"]], item.get("mode", default)))
        elif not optional:
            raise VolumeError(
                f"references non-existent {'config' if kind == 'configMap' else 'secret'} key: {item['key']}"
            )
    return items


def _downward(item: Object, sources: Sources, default: int) -> Item:
    if "fieldRef" in item:
        text = pod_field(item["fieldRef"]["fieldPath"], sources)
    else:
        text = resource_field(item["resourceFieldRef"], {}, sources)
    return Item(item["path"], text.encode(), item.get("mode", default))


def _mode(source: Object, default: int) -> int:
    mode = source.get("defaultMode")
    return default if mode is None else int(mode)


def _write(directory: Path, item: Item) -> None:
    path = (directory / item.path).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise VolumeError(f"path {item.path} leaves the volume: it must be relative and without ..")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(item.data)
    path.chmod(item.mode)


_HOST_PATH_CHECKS = {
    "Directory": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def _host_path(source: Object) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not path.exists():
            path.touch(mode=0o644)
        kind = "File"
    elif not kind and not path.exists():
        # Without a type nothing is checked, and container runtimes make a directory.
        path.mkdir(parents=True)
    check = _HOST_PATH_CHECKS.get(kind)
    if check is not None and not (path.exists() and check(path.stat().st_mode)):
        raise VolumeError(f"hostPath type check failed: {path} is not a {kind}")
    return path


def mounts(container: Object, volumes: Mapping[str, Path], variables: Mapping[str, str]) -> list[Mount]:
    """The mounts of a container, given its pod's volumes by name. Makes the directory of a ``subPath``.

    Raises ConfigError for a sub path that leaves its volume.
    """
    found = []
    for item in container.get("volumeMounts") or ():
        source = volumes.get(item["name"])
        if source is None:
            raise ConfigError(f'volumeMounts name "{item["name"]}": the pod has no such volume')
        sub_path = item.get("subPath") or expand(item.get("subPathExpr") or "", variables)
        if sub_path:
            source = _below(source, sub_path)
        found.append(Mount(str(source), item["mountPath"], bool(item.get("readOnly"))))
    return found


def _below(source: Path, sub_path: str) -> Path:
    path = source / sub_path
    if not path.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"subPath {sub_path} leaves its volume: it must be relative and without ..")
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)
    return path
