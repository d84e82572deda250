"""Debian packages, fetched into the cache and unpacked there. Nothing is installed, and root rights are not needed.

apt-get resolves, downloads and verifies (by the machine's own sources and keys), with a state directory of its own, so
that the machine's lists and archives stay as they are.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kdl_testing.envtest.cache import cache_home

Report = Callable[[str], None]

LISTS_KEPT_FOR = 7 * 24 * 3600.0
"""Seconds for which a set of packages is used as it was fetched. After that newer versions are asked for."""

_WAY_OUT = (
    "Way out: a machine with Debian 12 or newer, or Ubuntu, whose apt sources can be reached, "
    "or a KDL_CACHE_HOME that holds the packages already."
)


class PackageError(Exception):
    """Packages cannot be had. The message says which, why, and the way out."""


def fetch(packages: Sequence[str], *, closure: bool, report: Report) -> list[Path]:
    """The .deb files of packages, sorted by name. A second call with the same packages takes no time.

    ``closure`` False: those packages alone. True: also everything that they need on an empty system (without what is
    only recommended), for the root file system of an image. PackageError.
    """
    home = cache_home() / "packages"
    wanted = sorted(set(packages))
    record = home / "sets" / f"{_digest_of_set(wanted, closure)}.json"
    with _locked(home):
        known = _recorded(record, home)
        if known and not _old(record):
            return known
        try:
            found = _fetch(home, wanted, closure, report)
        except PackageError as error:
            if not known:
                raise
            report(f"using the packages of an earlier call, for newer ones cannot be had: {error}")
            found = known
        _write_record(record, found)
    return found


def extract(debs: Sequence[Path], root: Path) -> None:
    """Unpacks the files of packages below a directory, which is made. Their scripts are not run. PackageError."""
    if shutil.which("dpkg-deb") is None:
        raise PackageError(f"dpkg-deb, which unpacks Debian packages, is not in PATH. {_WAY_OUT}")
    root.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        done = subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PackageError(f"{deb} cannot be unpacked to {root}: {done.stderr.strip()}. Way out: remove the file.")


def _fetch(home: Path, packages: Sequence[str], closure: bool, report: Report) -> list[Path]:
    if shutil.which("apt-get") is None:
        raise PackageError(f"{', '.join(packages)}: apt-get is not in PATH. {_WAY_OUT}")
    apt = _Apt(home)
    if apt.lists_age() > LISTS_KEPT_FOR:
        report("reading the package lists of Debian")
        apt.update()
    names = apt.resolve(packages, closure)
    missing = [name for name in names if not (home / name).is_file()]
    if missing:
        report(f"fetching {len(missing)} Debian package{'s' if len(missing) > 1 else ''} for {', '.join(packages)}")
    apt.download(packages, closure)
    absent = [name for name in names if not (home / name).is_file()]
    if absent:
        raise PackageError(f"apt-get did not leave {', '.join(absent)} in {home}. {_WAY_OUT}")
    return [home / name for name in sorted(names)]


class _Apt:
    """apt-get with a state directory below ``home``, where it takes no package for installed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._state = home / "apt"
        # apt names no package that it finds among its archives, or where it would download to, so what resolves looks
        # into an empty directory, and from one.
        self._nothing = self._state / "nothing"
        self._stamp = self._state / "updated"
        self._config = self._state / "apt.conf"
        for directory in (home, self._nothing, self._state / "lists"):
            (directory / "partial").mkdir(parents=True, exist_ok=True)
        (self._state / "status").write_text("")
        self._config.write_text(_apt_config(self._state))

    def lists_age(self) -> float:
        return time.time() - self._stamp.stat().st_mtime if self._stamp.exists() else float("inf")

    def update(self) -> None:
        self._run(["update"], "the package lists", self._home)
        self._stamp.touch()

    def resolve(self, packages: Sequence[str], closure: bool) -> list[str]:
        """The names of the files."""
        archives = ["-o", f"Dir::Cache::archives={self._nothing}"]
        arguments = [*archives, "--print-uris", *_command(packages, closure)]
        lines = self._run(arguments, ", ".join(packages), self._nothing).splitlines()
        names = [line.split()[1] for line in lines if line.startswith("'")]
        if not names:
            raise PackageError(f"apt-get names no file for {', '.join(packages)}. {_WAY_OUT}")
        return names

    def download(self, packages: Sequence[str], closure: bool) -> None:
        archives = ["-o", f"Dir::Cache::archives={self._home}", "--download-only"]
        self._run([*archives, *_command(packages, closure)], ", ".join(packages), self._home)

    def _run(self, arguments: Sequence[str], what: str, directory: Path) -> str:
        argv = ["apt-get", "-c", str(self._config), "-q", "-y", *arguments]
        done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line.removeprefix("E: ") for line in done.stderr.splitlines() if line.startswith("E: ")]
            why = "; ".join(errors) or done.stderr.strip() or f"exit code {done.returncode}"
            raise PackageError(f"apt-get cannot get {what}: {why}. {_WAY_OUT}")
        return done.stdout


def _command(packages: Sequence[str], closure: bool) -> list[str]:
    return ["install", "--no-install-recommends", *packages] if closure else ["download", *packages]


def _apt_config(state: Path) -> str:
    values = {
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::State::extended_states": state / "extended_states",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::Log": state,
        # The user that apt otherwise changes to may not enter the cache of another user.
        "APT::Sandbox::User": "root",
        "Acquire::Retries": "3",
    }
    # Container images come with hooks that empty the machine's own caches after each call.
    hooks = "".join(f"#clear {name};\n" for name in ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"))
    return hooks + "".join(f'{name} "{value}";\n' for name, value in values.items())


def _digest_of_set(packages: Sequence[str], closure: bool) -> str:
    return hashlib.sha256(json.dumps([list(packages), closure]).encode()).hexdigest()[:16]


def _write_record(record: Path, debs: Sequence[Path]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    files = {deb.name: _Identity.of(deb) for deb in debs}
    part = record.with_suffix(".part")
    part.write_text(json.dumps(files, indent=1))
    part.replace(record)


def _recorded(record: Path, home: Path) -> list[Path]:
    """The files of a set if all are there and as they were; otherwise none, and those that changed are removed."""
    try:
        files: Mapping[str, Mapping[str, object]] = json.loads(record.read_text())
    except (OSError, ValueError):
        return []
    intact = True
    for name, identity in files.items():
        if not _Identity.matches(home / name, identity):
            (home / name).unlink(missing_ok=True)
            intact = False
    return [home / name for name in sorted(files)] if intact else []


class _Identity:
    """What tells whether a file is still the one that apt verified. It is read again only if its time has changed."""

    @staticmethod
    def of(path: Path) -> Mapping[str, object]:
        return {"size": path.stat().st_size, "mtime": path.stat().st_mtime_ns, "sha256": _sha256(path)}

    @staticmethod
    def matches(path: Path, identity: Mapping[str, object]) -> bool:
        try:
            stat = path.stat()
        except OSError:
            return False
        if stat.st_size != identity.get("size"):
            return False
        return stat.st_mtime_ns == identity.get("mtime") or _sha256(path) == identity.get("sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _old(record: Path) -> bool:
    return time.time() - record.stat().st_mtime > LISTS_KEPT_FOR


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time: apt refuses a second one on the same directories."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock-of-kdl").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
