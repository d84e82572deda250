"""Tars and archives of images: their bytes, what is in them, and when one is not whole."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from imagebuild import archive, tarball
from imagebuild.archive import Settings, Tarball

NAME = "docker.io/kdl/thing:1"
SETTINGS = Settings(
    entrypoint=("/bin/thing",),
    command=("--now",),
    environment={"PATH": "/bin", "LANG": "C.UTF-8"},
    user="65532:65532",
    labels={"org.opencontainers.image.title": "thing"},
)


def tree(root: Path, umask: int = 0o022) -> Path:
    old = os.umask(umask)
    try:
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "thing").write_text("#!/bin/sh\n")
        (root / "bin" / "thing").chmod(0o4755 & ~umask)
        (root / "bin" / "again").hardlink_to(root / "bin" / "thing")
        (root / "etc").mkdir()
        (root / "etc" / "thing.conf").write_text("a = b\n")
        (root / "link").symlink_to("bin/thing")
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
    finally:
        os.umask(old)
    return root


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar}


def layer(directory: Path, content: str) -> Tarball:
    root = directory / content
    root.mkdir()
    (root / "file").write_text(content)
    path = directory / f"{content}.tar"
    return Tarball(path, tarball.pack(root, path))


def test_a_tar_depends_on_neither_time_nor_mask_nor_order(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b", umask=0o077)
    os.utime(second / "etc" / "thing.conf", (1, 1))
    digests = [tarball.pack(root, tmp_path / f"{root.name}.tar") for root in (first, second)]
    assert digests[0] == digests[1]
    assert digests[0] == hashlib.sha256((tmp_path / "a.tar").read_bytes()).hexdigest()


def test_files_belong_to_root_and_none_sets_the_user(tmp_path: Path) -> None:
    tarball.pack(tree(tmp_path / "root"), tmp_path / "root.tar")
    found = members(tmp_path / "root.tar")
    assert list(found) == sorted(found)
    assert {name: oct(member.mode) for name, member in found.items()} == {
        "bin": "0o755",
        "bin/again": "0o755",
        "bin/thing": "0o755",
        "etc": "0o755",
        "etc/thing.conf": "0o644",
        "link": "0o777",
        "tmp": "0o1777",
    }
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in found.values()} == {
        (0, 0, "", tarball.MTIME)
    }
    assert (found["bin/thing"].islnk(), found["bin/thing"].linkname) == (True, "bin/again")
    assert found["link"].linkname == "bin/thing"


def test_an_archive_names_its_config_and_its_layers(tmp_path: Path) -> None:
    layers = [layer(tmp_path, "low"), layer(tmp_path, "high")]
    archive.write(tmp_path / "image.tar", NAME, layers, SETTINGS)
    with tarfile.open(tmp_path / "image.tar") as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    [manifest] = json.loads(content["manifest.json"])
    assert manifest["RepoTags"] == [NAME]
    config: dict[str, Any] = json.loads(content[manifest["Config"]])
    assert manifest["Config"] == f"{hashlib.sha256(content[manifest['Config']]).hexdigest()}.json"
    digests = [hashlib.sha256(content[name]).hexdigest() for name in manifest["Layers"]]
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}
    assert digests == [item.digest for item in layers]
    assert config["config"] == {
        "Entrypoint": ["/bin/thing"],
        "Cmd": ["--now"],
        "Env": ["LANG=C.UTF-8", "PATH=/bin"],
        "User": "65532:65532",
        "Labels": {"org.opencontainers.image.title": "thing"},
        "WorkingDir": "/",
    }
    assert config["architecture"] in ("amd64", "arm64") or config["architecture"]


def test_the_same_image_has_the_same_bytes(tmp_path: Path) -> None:
    layers = [layer(tmp_path, "low")]
    for name in ("one.tar", "two.tar"):
        archive.write(tmp_path / name, NAME, layers, SETTINGS)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_part_of_an_archive_is_not_whole(tmp_path: Path, part: float) -> None:
    path = tmp_path / "image.tar"
    large = tmp_path / "large"
    large.mkdir()
    (large / "file").write_bytes(b"x" * 100_000)
    digest = tarball.pack(large, tmp_path / "large.tar")
    archive.write(path, NAME, [Tarball(tmp_path / "large.tar", digest)], SETTINGS)
    assert archive.whole(path)
    os.truncate(path, int(path.stat().st_size * part))
    assert not archive.whole(path)


def test_what_is_no_archive_is_not_whole(tmp_path: Path) -> None:
    assert not archive.whole(tmp_path / "missing.tar")
    (tmp_path / "text.tar").write_text("no tar at all")
    assert not archive.whole(tmp_path / "text.tar")
    tarball.pack(tree(tmp_path / "root"), tmp_path / "plain.tar")
    assert not archive.whole(tmp_path / "plain.tar")
