"""Objects of some kinds in files and directories of manifests."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kdl_runtime.codec import yaml
from kdl_runtime.errors import KdlError

Object = Mapping[str, Any]

_SUFFIXES = (".yaml", ".yml", ".json")


class ManifestError(KdlError):
    """A manifest cannot be read, or has nothing of what is looked for."""


def read(path: Path, kinds: Collection[str]) -> list[Object]:
    """The objects of these kinds in a file, or in the files of a directory (not of those below it). Others are passed
    over. ManifestError if there is none."""
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    found = [document for file in files for document in _documents(file) if document.get("kind") in kinds]
    if not found:
        raise ManifestError(f"there is no {' or '.join(sorted(kinds))} in {path}")
    return found


def _documents(file: Path) -> list[Object]:
    try:
        documents = yaml.decode_all(file.read_bytes())
    except OSError as error:
        raise ManifestError(f"cannot read {file}: {error.strerror or error}") from error
    except yaml.DecodeError as error:
        raise ManifestError(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    return [item for item in documents if isinstance(item, Mapping)]
