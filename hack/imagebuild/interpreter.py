"""The Python of an unpacked image, run where it is, without chroot: so it needs no root rights.

It installs what goes into its own image, so that what fits (the version of Python and of the C library, the markers in
requirements) is asked of the Python that will run it, and not of the one that builds.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.layers import Build, BuildError

INVALIDATION = "unchecked-hash"
"""The content of a compiled file then depends on its source alone, and it is used without a look at the source."""

DEBIAN_PACKAGES = "usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Interpreter:
    """``root``: where the image's lower layers are unpacked."""

    root: Path

    def run(self, arguments: Sequence[str | Path], *, path: Sequence[Path] = (), directory: Path | None = None) -> None:
        """Run it with these arguments, quietly. BuildError carries what it printed, if it fails."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "PYTHONHOME": str(self.root / "usr"),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
        }
        loader = self._only("usr/lib*/ld-linux-*.so.*")
        command = [loader, "--library-path", self._only("usr/lib/*-linux-gnu"), self._program, *arguments]
        done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
            raise BuildError(f"python {' '.join(map(str, arguments[:3]))} failed in the image: {said}")

    @property
    def standard_library(self) -> str:
        """Below the root of an image."""
        return f"usr/lib/{self._program.name}"

    @property
    def packages(self) -> str:
        """Where this Python looks for packages that are not Debian's, below the root of an image."""
        return f"usr/local/lib/{self._program.name}/dist-packages"

    def compile(self, root: Path, directory: str) -> None:
        """Compile everything in a directory below ``root``, whose files name themselves as they will be called."""
        options = ["-q", "-f", "--invalidation-mode", INVALIDATION, "-s", str(root), "-p", "/"]
        self.run(["-m", "compileall", *options, str(root / directory)])

    @property
    def _program(self) -> Path:
        return self._only("usr/bin/python3.[0-9]*[0-9]")

    def _only(self, pattern: str) -> Path:
        found = sorted(self.root.glob(pattern))
        if len(found) != 1:
            raise BuildError(f"the image has {len(found)} files that are called /{pattern}, and not one")
        return found[0]


def standard_library(recipe: Callable[[Build], None]) -> Callable[[Build], None]:
    """Recipe: what ``recipe`` makes, a root directory with Python, whose standard library is compiled as well."""

    def both(build: Build) -> None:
        recipe(build)
        build.report("compiling the standard library")
        interpreter = Interpreter(build.root)
        interpreter.compile(build.root, interpreter.standard_library)

    return both


def debian_packages(recipe: Callable[[Build], None]) -> Callable[[Build], None]:
    """Recipe: what ``recipe`` makes, files of Debian packages, whose Python is compiled as well."""

    def both(build: Build) -> None:
        recipe(build)
        build.report("compiling the Python packages")
        Interpreter(build.below).compile(build.root, DEBIAN_PACKAGES)

    return both
