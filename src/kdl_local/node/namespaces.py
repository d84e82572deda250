"""Linux namespaces and mounts, as system calls. Used in processes that become containers.

``os.unshare`` and ``os.setns`` came with Python 3.12 and ``mount`` never did, so all three are called in the C library.
"""

import ctypes
import errno
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER = 0x00020000, 0x04000000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 1, 32, 4096, 8192, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
# What a remount must keep is told by statvfs in flags of its own.
_KEPT_FLAGS = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def set_namespace(descriptor: int) -> None:
    """Enters the namespace of an open ``/proc/<pid>/ns/…`` file."""
    _check(_libc.setns(descriptor, 0), "setns")


def set_hostname(name: str) -> None:
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), f"sethostname {name}")


def die_with_parent(signal: int) -> None:
    """The kernel sends this signal when the thread that started this process ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def mount(source: str | Path, target: str | Path, kind: str, flags: int, data: str = "") -> None:
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {source} on {target}")


def enter_user_namespace(flags: int) -> None:
    """A new user namespace, with others, in which this user keeps its own IDs and has every right over mounts."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def make_mounts_private() -> None:
    """What is mounted from now on is seen in this namespace only, and vanishes with its last process."""
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Shows ``source``, with whatever is mounted below it, at ``target``; both exist."""
    mount(source, target, "none", MS_BIND | MS_REC)
    if read_only:
        told = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in _KEPT_FLAGS.items() if told & bit)
        mount("none", target, "none", MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


class View:
    """The file system as the calling process will see it: shows things of the host at paths of its own.

    Nothing that it does can be seen from outside the mount namespace, which must be the process's own. ``scratch`` is
    an empty directory for use meanwhile.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._places: list[Path] = []
        self._covers: set[int] = set()

    def show(self, source: Path, target: Path, *, read_only: bool = False) -> None:
        """Shows ``source`` at ``target``, which is made where it does not exist. Show parents before children."""
        place = self._make_room(Path(os.path.realpath(target)), directory=source.is_dir())
        bind(source, place, read_only=read_only)
        self._places.append(place)

    def _make_room(self, target: Path, *, directory: bool) -> Path:
        """A place to mount on. Where there is none, the nearest existing parent is covered by a file system in memory
        that shows everything that was there and has room for more."""
        if target.exists():
            return target
        parent = next(path for path in target.parents if path.exists())
        if not parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"cannot mount at {target}: {parent} is not a directory")
        # Inside what is shown already the place is made for real, as a kubelet does inside a volume.
        inside = any(parent.is_relative_to(place) for place in self._places)
        if not inside and parent.stat().st_dev not in self._covers:
            self._cover(parent)
        if directory:
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        return target

    def _cover(self, parent: Path) -> None:
        """Replaces a directory by a copy of its entries."""
        status = parent.stat()
        mount("tmpfs", self._scratch, "tmpfs", 0, f"mode={status.st_mode & 0o7777:o}")
        if os.geteuid() == 0:
            os.chown(self._scratch, status.st_uid, status.st_gid)
        for entry in list(os.scandir(parent)):
            _mirror(entry, self._scratch / entry.name)
        self._covers.add(self._scratch.stat().st_dev)
        if parent != Path("/"):
            mount(self._scratch, parent, "none", MS_MOVE)
            return
        # A process sees what is mounted on its own root only after it has changed its root to it.
        os.chdir(self._scratch)
        mount(".", "/", "none", MS_MOVE)
        os.chroot(".")
        os.chdir("/")


def _mirror(entry: "os.DirEntry[str]", place: Path) -> None:
    source = Path(entry.path)
    if entry.is_symlink():
        place.symlink_to(source.readlink())
        return
    if entry.is_dir(follow_symlinks=False):
        place.mkdir()
    else:
        place.touch()
    bind(source, place)
