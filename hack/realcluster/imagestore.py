"""What containerd keeps of images, unpacked once for all nodes and clusters of this machine.

To import an image, containerd writes it twice, as an archive and as files, and hashes it as often. The result is the
same on every node, and never written to again: a node gets it by hard links.
"""

import fcntl
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from realcluster.commands import run
from realcluster.errors import ClusterError

LINKED = ("io.containerd.content.v1.content/blobs", "io.containerd.snapshotter.v1.overlayfs/snapshots")
"""Directories of containerd whose files stay as they are."""
COPIED = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
"""Its databases, which change in their place."""

Images = Mapping[str, str]
"""The digest of an image's configuration by its reference."""


def images_in(archive: Path) -> Images:
    """Of an archive in the format of ``docker save``. ClusterError."""
    try:
        with tarfile.open(archive, "r:") as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            return {tag: image["Config"] for image in json.load(member) for tag in image["RepoTags"] or ()}
    except (OSError, tarfile.TarError, LookupError, TypeError, ValueError) as error:
        raise ClusterError(
            f"{archive} is no archive of images: {error}. Way out: make it by 'docker save' or 'hack/images build'"
        ) from error


@dataclass(frozen=True, slots=True)
class ImageStore:
    """A directory of its own. What is in it stems from a containerd that had ended."""

    directory: Path

    @contextmanager
    def locked(self, waits: Callable[[], object]) -> Iterator[None]:
        """One cluster at a time reads or fills it. ``waits`` is called if it has to wait for another."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def lacks(self, archives: Sequence[Path]) -> list[Path]:
        """The archives with an image that is not in the store."""
        there = self._images().items()
        return [archive for archive in archives if not images_in(archive).items() <= there]

    def give(self, root: Path) -> None:
        """All images, to the directory of a containerd that has not been started yet. ClusterError."""
        if self._images():
            _copy(self._content, root)

    def save(self, root: Path, archives: Sequence[Path]) -> None:
        """What the directory of a containerd has, which has ended, and was given the store and then the archives.
        ClusterError."""
        images = {**self._images(), **{tag: image for path in archives for tag, image in images_in(path).items()}}
        part = self.directory / "part"
        shutil.rmtree(part, ignore_errors=True)
        _copy(root, part)
        # Without its list a store is empty: it goes first and comes last.
        self._list.unlink(missing_ok=True)
        shutil.rmtree(self._content, ignore_errors=True)
        part.rename(self._content)
        self._list.write_text(json.dumps(images, indent=2, sort_keys=True))

    @property
    def _content(self) -> Path:
        return self.directory / "containerd"

    @property
    def _list(self) -> Path:
        return self.directory / "images.json"

    def _images(self) -> Images:
        """None if a process was killed that filled it."""
        try:
            images: dict[str, str] = json.loads(self._list.read_text())
        except (OSError, ValueError):
            return {}
        return images


def _copy(source: Path, target: Path) -> None:
    """ClusterError."""
    for directory in LINKED:
        (target / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        linked = source.stat().st_dev == target.stat().st_dev
        # With all attributes, since some of the directories' say that they cover those of lower layers.
        run(["cp", "--archive", *(["--link"] if linked else []), f"{source / directory}/.", str(target / directory)])
    for file in COPIED:
        (target / file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / file, target / file)
