"""Python packages in a layer: those of the index that pip is configured for, and our own code."""

import importlib.util
import shutil
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from imagebuild.interpreter import Interpreter
from imagebuild.layers import Build, BuildError, digest

SETUPTOOLS = "setuptools==84.2.1"
"""Builds our wheel."""
WHEELS = ("--only-binary", ":all:", "--no-compile")
QUIET = ("--quiet", "--disable-pip-version-check", "--root-user-action", "ignore")

SOURCES = ("src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
"""What our wheel is made from, in a checkout."""
GENERATED = ("__pycache__", "*.egg-info")

PROGRAM = "usr/local/bin/kdl"
SCRIPT = """\
#!/usr/bin/python3
from kdl_cli.main import main

main()
"""


def standard_library(recipe: Callable[[Build], None]) -> Callable[[Build], None]:
    """Recipe: what ``recipe`` makes, a root directory with Python, whose standard library is compiled as well."""

    def both(build: Build) -> None:
        recipe(build)
        build.report("compiling the standard library")
        interpreter = Interpreter(build.root)
        interpreter.compile(build.root, interpreter.standard_library)

    return both


def from_index(requirements: Iterable[str], *, without: tuple[str, ...] = ()) -> Callable[[Build], None]:
    """Recipe: packages with all that they need and that the layers below do not have, in versions that agree with
    these. Wheels only, so that nothing is compiled. ``without``: patterns of files that no program needs."""

    def recipe(build: Build) -> None:
        interpreter = Interpreter(build.below)
        present = {found.name: found.version for found in _found(build.below / interpreter.packages)}
        constraints = build.scratch / "constraints.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(present.items())))
        build.report(f"installing {', '.join(requirements)}")
        target = build.root / interpreter.packages
        _pip(interpreter, build.scratch, target, ["--constraint", str(constraints), *requirements])
        for found in _found(target):
            if found.name in present:
                _remove(found)
        for pattern in ("bin", *without):
            for path in target.glob(pattern):
                shutil.rmtree(path)
        build.report("compiling them")
        interpreter.compile(build.root, interpreter.packages)

    return recipe


def backend(build: Build) -> None:
    """Recipe: what builds our wheel. No image has it; being a layer, it is kept, and a later build needs no network."""
    _pip(Interpreter(build.below), build.scratch, build.root, [SETUPTOOLS])


def own(checkout: Path) -> Callable[[Build], None]:
    """Recipe: our own code as users get it, by way of its wheel, and the program ``kdl``."""

    def recipe(build: Build) -> None:
        sources = build.scratch / "sources"
        _copy(checkout, sources)
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


def _pip(interpreter: Interpreter, scratch: Path, target: Path, arguments: list[str]) -> None:
    """Let the image's Python install, with the pip of the Python that runs this."""
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
