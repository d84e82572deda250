"""The cache of binaries: whole ones only, each beside a record of what it has to be."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kdl_testing.envtest.catalog import Binary, Module, Platform
from kdl_testing.envtest.locks import locked
from kdl_testing.envtest.sources import Order, Report

_STAGING = "staging-"
_ABSENT = "not there"


class Record(msgspec.Struct, frozen=True):
    """Of one binary; ``origin`` names the source that it is from. Size in bytes, time in nanoseconds."""

    sha256: str
    size: int
    mtime_ns: int
    origin: str


@dataclass(frozen=True, slots=True)
class BinaryStore:
    """A directory with one of ``<module>-<version>-<os>-<arch>`` for each module, which holds ``<binary>`` and
    ``<binary>.json``. A binary gets its name once it is whole, and its record after that: without a record it does not
    count."""

    root: Path
    platform: Platform

    def directory(self, module: Module) -> Path:
        return self.root / f"{module.name}-{module.version}-{self.platform}"

    def find(self, binaries: Sequence[Binary]) -> tuple[dict[str, Path], dict[str, str]]:
        """Those that are there and whole; and of the others why not, by name."""
        found: dict[str, Path] = {}
        missing: dict[str, str] = {}
        for binary in binaries:
            path = self.directory(binary.module) / binary.name
            flaw = _flaw(path)
            if flaw:
                missing[binary.name] = flaw
            else:
                found[binary.name] = path
        return found, missing

    @contextmanager
    def order(self, module: Module, binaries: Sequence[Binary], report: Report) -> Iterator[Order]:
        """A place to make binaries of a module in, for one process at a time. What a killed process has left in it is
        removed, but for ``parts``."""
        directory = self.directory(module)

        def wait(pid: str) -> None:
            report(f"{module}: process {pid} is getting it; waiting for that ({directory / 'lock'})")

        with locked(directory / "lock", wait):
            for left in directory.glob(f"{_STAGING}*"):
                shutil.rmtree(left, ignore_errors=True)
            # Never the name of an earlier one, which somebody may still be about to remove.
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=directory))
            try:
                yield Order(module, binaries, self.platform, staging, directory / "parts")
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def add(self, binary: Binary, staged: Path, origin: str) -> Path:
        """Moves a binary to its place."""
        path = self.directory(binary.module) / binary.name
        record_path(path).unlink(missing_ok=True)
        staged.chmod(0o755)
        stat = staged.stat()
        record = Record(_sha256(staged), stat.st_size, stat.st_mtime_ns, origin)
        staged.replace(path)
        _write(path, record)
        return path


def record_path(binary: Path) -> Path:
    return binary.with_name(f"{binary.name}.json")


def damaged(missing: Mapping[str, str]) -> dict[str, str]:
    """What is not only absent."""
    return {name: flaw for name, flaw in missing.items() if flaw != _ABSENT}


def _flaw(path: Path) -> str:
    """Why the file is not the binary that was put there, empty if it is. Only a file that was touched is read."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return _ABSENT
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        record = msgspec.json.decode(record_path(path).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return "has no record of its checksum, so it may be half written"
    if stat.st_size != record.size:
        return f"has {stat.st_size} bytes instead of {record.size}"
    if not stat.st_mode & 0o100:
        return "is not executable"
    if stat.st_mtime_ns == record.mtime_ns:
        return ""
    if _sha256(path) != record.sha256:
        return "has another checksum than it had"
    try:
        _write(path, msgspec.structs.replace(record, mtime_ns=stat.st_mtime_ns))
    except OSError:
        # A cache that may only be read works all the same, at the price of a checksum each time.
        return ""
    return ""


def _write(path: Path, record: Record) -> None:
    target = record_path(path)
    # Whoever else has found the same at the same time writes the same.
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
