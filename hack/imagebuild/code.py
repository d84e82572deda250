"""Our own code in a layer."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from imagebuild.interpreter import Interpreter
from imagebuild.layers import Build, BuildError, digest
from imagebuild.wheels import install

SETUPTOOLS = "setuptools==84.2.1"
"""Builds our wheel."""

SOURCES = ("src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
"""What our wheel is made from, in a checkout."""
GENERATED = ("__pycache__", "*.egg-info")

PROGRAM = "usr/local/bin/kdl"
SCRIPT = """\
#!/usr/bin/python3
from kdl_cli.main import main

main()
"""


class SourcesChangedError(BuildError):
    """Somebody works on the code while its image is made."""


def backend(build: Build) -> None:
    """Recipe: what builds our wheel. No image has it; being a layer, it is kept, and a later build needs no network."""
    install(Interpreter(build.below), build.scratch, build.root, [SETUPTOOLS])


def own(checkout: Path, expected: str) -> Callable[[Build], None]:
    """Recipe: our own code as users get it, by way of its wheel, and the program ``kdl``. ``expected``: digest of the
    sources, which must still be those that the layer is keyed by."""

    def recipe(build: Build) -> None:
        sources = build.scratch / "sources"
        _copy(checkout, sources)
        if sources_digest(sources) != expected:
            raise SourcesChangedError(f"the code in {checkout} was changed while its image was made: once more")
        interpreter = Interpreter(build.below)
        call = f"from setuptools.build_meta import build_wheel; build_wheel({str(build.scratch)!r})"
        interpreter.run(["-c", call], path=[build.below], directory=sources)
        [wheel] = build.scratch.glob("*.whl")
        target = build.root / interpreter.packages
        target.mkdir(parents=True)
        with zipfile.ZipFile(wheel) as file:
            file.extractall(target)
        program = build.root / PROGRAM
        program.parent.mkdir(parents=True)
        program.write_text(SCRIPT)
        program.chmod(0o755)
        interpreter.compile(build.root, interpreter.packages)

    return recipe


def sources_digest(checkout: Path) -> str:
    """Of everything that our wheel is made from."""
    parts = []
    for path in _source_files(checkout):
        parts += [path.relative_to(checkout).as_posix(), path.read_bytes().hex()]
    return digest(parts)


def _source_files(checkout: Path) -> list[Path]:
    found = [path for name in SOURCES for path in [checkout / name, *(checkout / name).rglob("*")] if path.is_file()]
    return sorted(path for path in found if not any(parent.match(p) for parent in path.parents for p in GENERATED))


def _copy(checkout: Path, target: Path) -> None:
    """A build leaves files beside the sources, and would find those of an earlier one there."""
    for path in _source_files(checkout):
        copy = target / path.relative_to(checkout)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
