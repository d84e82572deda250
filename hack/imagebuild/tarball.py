"""A directory as a tar whose bytes depend on nothing but names, contents, links, and what may be executed."""

import hashlib
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

MTIME = 1_700_000_000
"""Seconds since the epoch that every file was changed at. Not 0: zip cannot hold years before 1980."""
BLOCK = 1 << 20


class Hashing:
    """A file that is only written to, and the SHA-256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def pack(root: Path, target: Path) -> str:
    """Write everything below ``root`` to ``target``; the SHA-256 of the tar, in hexadecimal.

    Files belong to root, and are 0755 or 0644 whatever the umask was; set-user-ID bits go. A directory with the sticky
    bit, such as /tmp, keeps it and is open to all.
    """
    with target.open("wb") as file:
        sink = Hashing(file)
        with tarfile.open(fileobj=cast(BinaryIO, sink), mode="w|", format=tarfile.GNU_FORMAT, bufsize=BLOCK) as tar:
            for path in sorted(root.rglob("*")):
                _add(tar, path, path.relative_to(root).as_posix())
    return sink.digest


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(path, name)
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = MTIME
    info.mode = _mode(info)
    if info.isreg():
        with path.open("rb") as file:
            tar.addfile(info, file)
    else:
        tar.addfile(info)


def _mode(info: tarfile.TarInfo) -> int:
    if info.isdir():
        return 0o1777 if info.mode & stat.S_ISVTX else 0o755
    if info.issym():
        return 0o777
    return 0o755 if info.mode & 0o111 else 0o644
