"""What nodes are given of images that were imported before."""

import io
import json
import tarfile
import threading
from pathlib import Path

import pytest

from realcluster.errors import ClusterError
from realcluster.imagestore import COPIED, LINKED, ImageStore, images_in

BLOBS, SNAPSHOTS = LINKED
META = COPIED[0]


def archive(path: Path, **images: str) -> Path:
    """As of ``docker save``, with the digests of the images' configurations by their references."""
    manifest = [{"Config": config, "RepoTags": [f"kdl/{tag}:1"]} for tag, config in images.items()]
    content = json.dumps(manifest).encode()
    info = tarfile.TarInfo("manifest.json")
    info.size = len(content)
    with tarfile.open(path, "w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return path


def containerd(root: Path, *, layer: str = "layer", meta: str = "meta") -> Path:
    """The directory of one that has ended."""
    for directory in LINKED:
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / BLOBS / layer).write_text(layer)
    (root / SNAPSHOTS / layer).mkdir(mode=0o711)
    (root / SNAPSHOTS / layer / "file").write_text(layer)
    for file in COPIED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(meta)
    (root / "containers").mkdir()
    return root


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    store = ImageStore(tmp_path / "store")
    store.directory.mkdir()
    return store


def test_an_empty_store_lacks_everything_and_gives_nothing(store: ImageStore, tmp_path: Path) -> None:
    wanted = [archive(tmp_path / "a.tar", a="1")]
    assert store.lacks(wanted) == wanted
    store.give(tmp_path / "node")
    assert not (tmp_path / "node").exists()


def test_a_node_gets_what_another_has_imported(store: ImageStore, tmp_path: Path) -> None:
    wanted = [archive(tmp_path / "a.tar", a="1")]
    first, second = containerd(tmp_path / "first"), tmp_path / "second"
    second.mkdir()
    store.save(first, wanted)
    assert store.lacks(wanted) == []
    store.give(second)
    for file in (f"{BLOBS}/layer", f"{SNAPSHOTS}/layer/file"):
        assert (first / file).samefile(second / file)
    assert (second / SNAPSHOTS / "layer").stat().st_mode & 0o777 == 0o711
    (second / META).write_text("changed")
    assert (first / META).read_text() == "meta"
    assert not (second / "containers").exists()


def test_an_image_that_has_changed_is_lacking(store: ImageStore, tmp_path: Path) -> None:
    kept, old = archive(tmp_path / "kept.tar", kept="1"), archive(tmp_path / "old.tar", a="1", b="1")
    store.save(containerd(tmp_path / "first"), [kept, old])
    new = archive(tmp_path / "new.tar", a="1", b="2")
    assert store.lacks([kept, new]) == [new]
    store.save(containerd(tmp_path / "second", layer="other"), [new])
    assert store.lacks([kept, new]) == []
    assert store.lacks([old]) == [old]
    node = tmp_path / "node"
    node.mkdir()
    store.give(node)
    assert [path.name for path in (node / BLOBS).iterdir()] == ["other"]


def test_a_process_that_is_killed_while_it_saves_leaves_an_empty_store(
    store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [archive(tmp_path / "a.tar", a="1")]
    store.save(containerd(tmp_path / "first"), wanted)

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(containerd(tmp_path / "second"), [])
    assert store.lacks(wanted) == wanted
    store.give(tmp_path / "node")
    assert not (tmp_path / "node").exists()
    store.save(containerd(tmp_path / "third"), wanted)
    assert store.lacks(wanted) == []


def test_one_cluster_at_a_time(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    said: list[str] = []
    with store.locked(lambda: said.append("first")):

        def take() -> None:
            with store.locked(lambda: said.append("second waits")):
                said.append("second")

        thread = threading.Thread(target=take)
        thread.start()
        while not said:
            thread.join(0.01)
        said.append("first is ready")
    thread.join()
    assert said == ["second waits", "first is ready", "second"]


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 1024], ids=["empty", "text", "no manifest"])
def test_what_is_no_archive_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.tar"
    path.write_bytes(content)
    with pytest.raises(ClusterError, match=r"odd\.tar is no archive of images: .*Way out: .*docker save"):
        images_in(path)
