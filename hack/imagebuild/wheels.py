"""Packages from the index that pip is configured for, in a layer."""

import importlib.util
import shutil
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from imagebuild.interpreter import Interpreter
from imagebuild.layers import Build, BuildError

WHEELS = ("--only-binary", ":all:", "--no-compile")
QUIET = ("--quiet", "--disable-pip-version-check", "--root-user-action", "ignore")


@dataclass(frozen=True, slots=True)
class Wheels:
    """Packages from the index, with all that they need. Wheels only, so that nothing is compiled.

    ``drop``: patterns of what no program reads, below the directory of packages; ``keep``: what stays all the same.
    ``imports``: modules that have to load in the image, with their libraries.
    """

    requirements: tuple[str, ...]
    imports: tuple[str, ...]
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (repr(self),)

    def recipe(self, build: Build) -> None:
        """What the layers below have stays theirs, and the versions here agree with it."""
        interpreter = Interpreter(build.below)
        lower, target = build.below / interpreter.packages, build.root / interpreter.packages
        present = {found.name: found.version for found in _found(lower)}
        constraints = build.scratch / "constraints.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(present.items())))
        build.report(f"installing {', '.join(self.requirements)}")
        install(interpreter, build.scratch, target, ["--constraint", str(constraints), *self.requirements])
        for found in _found(target):
            if found.name in present:
                _remove(found)
        shutil.rmtree(target / "bin", ignore_errors=True)
        self._trim(target)
        interpreter.run(["-c", f"import {', '.join(self.imports)}"], path=[target, lower])
        build.report("compiling them")
        interpreter.compile(build.root, interpreter.packages)

    def _trim(self, directory: Path) -> None:
        kept = {path for pattern in self.keep for path in directory.glob(pattern)}
        for path in [path for pattern in self.drop for path in directory.glob(pattern)]:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)


def install(interpreter: Interpreter, scratch: Path, target: Path, arguments: list[str]) -> None:
    """Let the image's Python install into a directory, with the pip of the Python that runs this."""
    found = importlib.util.find_spec("pip")
    if found is None or not found.submodule_search_locations:
        raise BuildError("this Python has no pip: use the one of `make venv`, or install python3-pip")
    borrowed = scratch / "pip"
    shutil.rmtree(borrowed, ignore_errors=True)
    borrowed.mkdir()
    (borrowed / "pip").symlink_to(found.submodule_search_locations[0])
    interpreter.run(["-m", "pip", "install", *QUIET, *WHEELS, "--target", target, *arguments], path=[borrowed])


def _found(directory: Path) -> list[Distribution]:
    return list(distributions(path=[str(directory)]))


def _remove(found: Distribution) -> None:
    for item in found.files or ():
        Path(str(item.locate())).unlink(missing_ok=True)
