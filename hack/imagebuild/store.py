"""Where layers and archives are kept, each under the digest of what it was made from, and what is dropped again."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagebuild import archive
from imagebuild.archive import Tarball

KEPT = 2
"""Generations of a layer or an archive that are kept; a change of code makes a new one each time."""
KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Store:
    """A directory. What is in it under its final name is whole: everything is made under ``building`` and renamed once
    it is on disk."""

    directory: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One build at a time; another process waits. What a killed build has left is removed."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._clear()
            try:
                yield
            finally:
                self._clear()

    @property
    def building(self) -> Path:
        return self.directory / "building"

    def _clear(self) -> None:
        shutil.rmtree(self.building, ignore_errors=True)

    def workspace(self, name: str) -> Path:
        """A new empty directory, gone at the end of the build."""
        directory = self.building / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    # ---- layers

    def layer(self, name: str, key: str) -> Tarball | None:
        path = self._layer(name, key)
        try:
            facts = json.loads(path.with_suffix(".json").read_text())
            if path.stat().st_size != facts["size"]:
                return None
            path.touch()
        except (OSError, ValueError, KeyError):
            return None
        return Tarball(path, str(facts["digest"]))

    def save_layer(self, name: str, key: str, pack: Callable[[Path], str]) -> Tarball:
        """``pack`` writes the tar to the path that it is given and returns its digest."""
        path = self._layer(name, key)
        draft = self.workspace("layer") / path.name
        digest = pack(draft)
        facts = {"digest": digest, "size": draft.stat().st_size}
        draft.with_suffix(".json").write_text(json.dumps(facts))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        # The facts come last: a layer without them is not there.
        for suffix in (".tar", ".json"):
            _publish(draft.with_suffix(suffix), path.with_suffix(suffix))
        return Tarball(path, digest)

    def _layer(self, name: str, key: str) -> Path:
        return self.directory / "layers" / f"{name}-{key[:KEY_LENGTH]}.tar"

    # ---- archives

    def archive(self, name: str, key: str) -> Path | None:
        path = self._archive(name, key)
        if not archive.whole(path):
            return None
        path.touch()
        return path

    def save_archive(self, name: str, key: str, write: Callable[[Path], None]) -> Path:
        path = self._archive(name, key)
        draft = self.workspace("archive") / path.name
        write(draft)
        _publish(draft, path)
        return path

    def _archive(self, name: str, key: str) -> Path:
        return self.directory / f"{name}-{key[:KEY_LENGTH]}.tar"

    # ---- what is dropped

    def prune(self) -> None:
        """Drop all but the last used generations of each layer and archive."""
        generations: dict[str, list[Path]] = {}
        for path in [*self.directory.glob("*.tar"), *self.directory.glob("layers/*.tar")]:
            name, _, _ = path.stem.rpartition("-")
            generations.setdefault(f"{path.parent}/{name}", []).append(path)
        for paths in generations.values():
            for path in sorted(paths, key=lambda item: item.stat().st_mtime, reverse=True)[KEPT:]:
                path.unlink()
                path.with_suffix(".json").unlink(missing_ok=True)


def _publish(draft: Path, path: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)
