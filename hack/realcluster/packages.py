"""containerd, runc and the network plugins: those of the machine, else Debian's, unpacked into the cache."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import debian
from kdl_testing.envtest.cache import cache_home
from realcluster.errors import ClusterError

PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
PLUGINS = ("bridge", "host-local", "loopback")
"""Of https://www.cni.dev/plugins/current/; no other ones are used."""

PLUGIN_DIRECTORIES = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))
PACKAGES = ("containerd", "runc", "containernetworking-plugins")

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """``path``: directories with the programs. ``plugins``: the directory of the network plugins."""

    path: tuple[Path, ...]
    plugins: Path


def installed(environment: Mapping[str, str] = os.environ) -> Runtime | None:
    """What the machine has in PATH and where plugins usually are; None if not all of it."""
    found = [shutil.which(program, path=environment.get("PATH", "")) for program in PROGRAMS]
    plugins = next((directory for directory in PLUGIN_DIRECTORIES if _has_plugins(directory)), None)
    if plugins is None or not all(found):
        return None
    return Runtime(tuple(dict.fromkeys(Path(path).parent for path in found if path)), plugins)


def runtime(report: Report) -> Runtime:
    """ClusterError if it cannot be had, or does not run here."""
    found = installed() or _fetched(report)
    for program in ("containerd", "runc"):
        _try(found, program)
    return found


def _fetched(report: Report) -> Runtime:
    try:
        debs = debian.fetch(PACKAGES, closure=False, report=report)
        root = cache_home() / "packages" / "roots" / "+".join(sorted(deb.stem for deb in debs))
        if not root.is_dir():
            report(f"unpacking {', '.join(PACKAGES)}")
            part = root.with_name(f".{uuid.uuid4().hex}")
            debian.extract(debs, part)
            _publish(part, root)
    except debian.PackageError as error:
        raise ClusterError(
            f"containerd, runc and network plugins are not installed, and cannot be had: {error}"
        ) from error
    return Runtime((root / "usr" / "bin", root / "usr" / "sbin"), root / "usr" / "lib" / "cni")


def _publish(part: Path, root: Path) -> None:
    """Complete from the moment on in which it can be seen. Somebody else may have been faster."""
    try:
        part.rename(root)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not root.is_dir():
            raise


def _try(found: Runtime, program: str) -> None:
    path = ":".join([*map(str, found.path), "/usr/bin", "/bin"])
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, env={"PATH": path})
        problem = "" if done.returncode == 0 else done.stderr.strip()
    except OSError as error:
        problem = str(error)
    if problem:
        raise ClusterError(f"{program} does not run here: {problem}. Way out: 'apt-get install {' '.join(PACKAGES)}'")


def _has_plugins(directory: Path) -> bool:
    return all((directory / plugin).is_file() for plugin in PLUGINS)
