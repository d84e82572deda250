"""What a layer and an image are: data, keyed by everything that they are made from."""

import hashlib
import inspect
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

from imagebuild import archive, tarball
from imagebuild.archive import Settings

Report = Callable[[str], None]


class BuildError(Exception):
    """What could not be made, and why."""


@dataclass(frozen=True)
class Build:
    """What the recipe of a layer gets: ``root``, an empty directory that becomes the layer; ``below``, the unpacked
    files of the layers that it stands on, to read and to run; ``scratch``, a directory that is thrown away; ``report``,
    to say what takes long."""

    root: Path
    below: Path
    scratch: Path
    report: Report


@dataclass(frozen=True)
class Layer:
    """Files that images share.

    ``recipe`` fills the layer; its module's source is part of the key. ``inputs``: everything else that decides the
    content, such as names of packages and digests of sources. ``below``: the layers that the recipe reads, from the
    lowest up.
    """

    name: str
    recipe: Callable[[Build], None]
    inputs: tuple[str, ...]
    below: tuple["Layer", ...] = ()
    modules: tuple[ModuleType, ...] = ()
    """Other modules whose source is part of the key."""

    @cached_property
    def key(self) -> str:
        module = inspect.getmodule(self.recipe)
        assert module is not None
        sources = [inspect.getsource(item) for item in (module, tarball, *self.modules)]
        return digest([self.name, archive.architecture(), *self.inputs, *(layer.key for layer in self.below), *sources])


@dataclass(frozen=True)
class Image:
    """``repository`` and ``tag``: ``docker.io/kdl/pause`` and ``1``. ``layers``: from the lowest up."""

    repository: str
    tag: str
    layers: tuple[Layer, ...]
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        return self.repository.rpartition("/")[2]

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.tag}"

    @cached_property
    def key(self) -> str:
        config = archive.encode(archive.config_of((), self.settings)).decode()
        return digest([self.reference, config, inspect.getsource(archive), *(layer.key for layer in self.layers)])


def digest(parts: Sequence[str]) -> str:
    """SHA-256 of a list of texts, which differs when the list is cut in another way."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part.encode())}:{part}".encode())
    return total.hexdigest()


def unpack(tar: Path, directory: Path) -> None:
    """Extract a layer onto a directory, as this user, whatever the tar says of owners."""
    options = ["--extract", "--no-same-owner", "--keep-directory-symlink"]
    command = ["tar", *options, "--file", str(tar), "--directory", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"{tar.name} cannot be unpacked: {getattr(error, 'stderr', None) or error}") from error
