"""The archive that ``docker load``, ``kind load image-archive`` and ``ctr images import`` read: layers and a config.

The format is that of ``docker save`` (https://github.com/moby/docker-image-spec): manifest.json names the config and
the layers, from the lowest up.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagebuild.tarball import BLOCK, MTIME

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of machines, as the kernel and as images spell them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a container of the image starts, if its pod does not say otherwise. ``user``: ``uid:gid``; root if empty."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tarball:
    """A layer's file and the SHA-256 of its content, in hexadecimal."""

    path: Path
    digest: str


def write(target: Path, name: str, layers: Sequence[Tarball], settings: Settings) -> None:
    """Write the archive of the image ``name``, such as ``docker.io/kdl/pause:1``. The same arguments give the same
    bytes."""
    config = encode(config_of(layers, settings))
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [
        {"Config": config_name, "RepoTags": [name], "Layers": [f"{layer.digest}.tar" for layer in layers]},
    ]
    with tarfile.TarFile(target, "w", format=tarfile.GNU_FORMAT, copybufsize=BLOCK) as tar:
        _add_bytes(tar, "manifest.json", encode(manifest))
        _add_bytes(tar, config_name, config)
        for layer in layers:
            info = _member(f"{layer.digest}.tar", layer.path.stat().st_size)
            with layer.path.open("rb") as file:
                tar.addfile(info, file)


def config_of(layers: Sequence[Tarball], settings: Settings) -> dict[str, Any]:
    """https://github.com/opencontainers/image-spec/blob/main/config.md"""
    created = datetime.fromtimestamp(MTIME, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in sorted(settings.environment.items())],
        "Labels": dict(sorted(settings.labels.items())),
        "WorkingDir": "/",
    }
    if settings.entrypoint:
        config["Entrypoint"] = list(settings.entrypoint)
    if settings.command:
        config["Cmd"] = list(settings.command)
    if settings.user:
        config["User"] = settings.user
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": created, "created_by": "hack/images"} for _ in layers],
    }


def whole(path: Path) -> bool:
    """Whether the file is an archive that ends where it should, so that no part of a layer is missing."""
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name: member.offset_data + member.size for member in tar}
            content = tar.extractfile("manifest.json")
            assert content is not None
            [manifest] = json.load(content)
            wanted = {manifest["Config"], *manifest["Layers"]}
    except (OSError, tarfile.TarError, LookupError, ValueError):
        return False
    return wanted <= members.keys() and max(members.values()) <= path.stat().st_size


def architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, MTIME, 0o644
    return info
