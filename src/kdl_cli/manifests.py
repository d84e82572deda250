"""Objects read from YAML or JSON files, as ``-f`` names them."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdl_cli.errors import CliError
from kdl_runtime.codec import yaml

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object and where it was read, for messages: ``job.yaml`` or ``job.yaml (document 2)``."""

    source: str
    object: dict[str, Any]

    @property
    def api_version(self) -> str:
        return str(self.object["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.object["kind"])


def read(filename: str) -> list[Manifest]:
    """All objects in a file, or in standard input for ``-``. CliError names the file and what is wrong in it."""
    if filename == STANDARD_INPUT:
        return parse(sys.stdin.read(), "standard input")
    path = Path(filename)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"cannot read {filename}: {error.strerror}; give -f a YAML or JSON file, or - for stdin"
        ) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{filename} is no text: give -f a YAML or JSON file") from error
    return parse(text, filename)


def parse(text: str, source: str) -> list[Manifest]:
    """The objects in YAML documents; a ``List`` counts as its items and an empty document as nothing."""
    try:
        documents = [document for document in yaml.decode_all(text) if document is not None]
    except yaml.DecodeError as error:
        raise CliError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error
    manifests = list(_objects(documents, source))
    if not manifests:
        raise CliError(f"{source} holds no object: write at least apiVersion, kind and metadata")
    return manifests


def _objects(documents: list[Any], source: str) -> Iterator[Manifest]:
    for number, document in enumerate(documents, start=1):
        where = f"{source} (document {number})" if len(documents) > 1 else source
        if isinstance(document, dict) and document.get("kind") == "List":
            for item in document.get("items") or ():
                yield _checked(item, where)
        else:
            yield _checked(document, where)


def _checked(document: Any, where: str) -> Manifest:
    if not isinstance(document, dict):
        raise CliError(f"{where}: an object was expected and a {type(document).__name__} was found")
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise CliError(f"{where}: {field} is missing: an object starts with apiVersion and kind")
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise CliError(f"{where}: metadata.name is missing: give the {document['kind']} a name")
    return Manifest(where, document)
