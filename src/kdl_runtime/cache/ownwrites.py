"""Own writes and what the cache shows of them: which of two states wins.

The response of a write is newer than what the watch has told so far. It goes into the store at once, and until the
watch has caught up it must not be undone by an older event or list. That is decided here, without I/O, on resource
versions, which are compared as numbers (KEP-5504 makes that a guarantee of the API server; a server whose versions are
not numbers loses read-your-writes and nothing else).
"""

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass, replace

from kdl_runtime.cache.transitions import LostWriteError
from kdl_runtime.codec.meta import ObjectMeta
from kdl_runtime.types import ObjectKey

MAX_TOMBSTONES = 4096


def numeric(resource_version: str) -> int | None:
    """The version as a number; None for what cannot be compared."""
    return int(resource_version) if resource_version.isascii() and resource_version.isdigit() else None


def older(version: str, than: str) -> bool:
    """Whether the first version comes before the second; False for what cannot be compared."""
    if len(version) > len(than) or (len(version) == len(than) and version >= than):
        return False
    first, second = numeric(version), numeric(than)
    return first is not None and second is not None and first < second


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An object that was shown and is no more; what is not newer than that must not be shown again.

    ``final``: it was deleted, so no state of this UID comes back. Else it may just have left the selection of a watch,
    which looks like a deletion there, and may come back with a newer version. ``told``: the server has told the end, at
    ``version``, so that what it lists at that version or later is there again (a backup was restored). ``at``: seconds
    of the monotonic clock, when it became known.
    """

    uid: str
    version: int | None
    final: bool = False
    told: bool = False
    at: float = 0.0

    def covers(self, metadata: ObjectMeta) -> bool:
        """Whether this state is from before the end."""
        if self.final and metadata.uid == self.uid:
            return True
        version = numeric(metadata.resource_version)
        return version is not None and self.version is not None and version <= self.version

    def yields_to_list(self, version: int | None) -> bool:
        """Whether a list of that version knows better."""
        return self.told and version is not None and self.version is not None and version >= self.version


class Tombstones:
    """The last deletions of one store."""

    def __init__(self, limit: int = MAX_TOMBSTONES) -> None:
        self._limit = limit
        self._buried: OrderedDict[ObjectKey, Tombstone] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buried)

    def bury(self, key: ObjectKey, tombstone: Tombstone) -> None:
        self._buried[key] = tombstone
        self._buried.move_to_end(key)
        while len(self._buried) > self._limit:
            self._buried.popitem(last=False)

    def get(self, key: ObjectKey) -> Tombstone | None:
        return self._buried.get(key)

    def forget(self, key: ObjectKey) -> None:
        self._buried.pop(key, None)

    def forget_before(self, moment: float) -> None:
        """What became known before then is not needed any more: the most recent state follows, asked for then."""
        for key in [key for key, known in self._buried.items() if known.at < moment]:
            del self._buried[key]

    def confirm(self, key: ObjectKey, uid: str, version: int | None) -> None:
        """The server has told, at that version, the end that was known already."""
        known = self._buried.get(key)
        if known is not None and known.uid == uid:
            self._buried[key] = replace(known, version=version, told=True)

    def confirm_absent(self, present: Container[ObjectKey], version: int | None, namespace: str) -> None:
        """A list of that version, of one namespace or of all (empty), has no more than what is ``present``."""
        for key, known in self._buried.items():
            if not known.told and key not in present and namespace in ("", key.namespace):
                self._buried[key] = replace(known, version=version, told=True)

    def clear(self) -> None:
        self._buried.clear()


def write_wins(
    written: ObjectMeta, stored: ObjectMeta | None, tombstone: Tombstone | None, told: int | None = None
) -> bool:
    """Whether the response of an own write is newer than what the watch has told about that object.

    ``told`` is the version up to which the watch has told everything: an object of an older version that is not stored
    has gone since.
    """
    version = numeric(written.resource_version)
    if version is None:
        return False
    if tombstone is not None and tombstone.covers(written):
        return False
    if stored is None:
        return told is None or version > told
    known = numeric(stored.resource_version)
    return known is not None and version > known


@dataclass(frozen=True, slots=True)
class Pin:
    """An own write that the watch has not shown yet."""

    version: int
    written_at: float


class Pins:
    """The own writes in one store that the watch has still to show.

    ``patience`` in seconds: what the watch has not shown by then is given up, and the server's word counts again.
    """

    def __init__(self, patience: float = 60.0) -> None:
        self._patience = patience
        self._pins: dict[ObjectKey, Pin] = {}

    def __len__(self) -> int:
        return len(self._pins)

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._pins

    def pin(self, key: ObjectKey, version: int, now: float) -> None:
        self._pins[key] = Pin(version, now)

    def forget(self, key: ObjectKey) -> None:
        self._pins.pop(key, None)

    def clear(self) -> None:
        self._pins.clear()

    def stale(self, key: ObjectKey, resource_version: str, now: float) -> bool:
        """Whether a state of that version is older than our own write, and must not be shown."""
        pin = self._pins.get(key)
        if pin is None:
            return False
        version = numeric(resource_version)
        if version is None or version >= pin.version or now - pin.written_at > self._patience:
            del self._pins[key]
            return False
        return True

    def lag(self, key: ObjectKey, resource_version: str, now: float) -> float | None:
        """Seconds from the write to this event, if it is the event that shows it."""
        pin = self._pins.get(key)
        if pin is None:
            return None
        version = numeric(resource_version)
        return now - pin.written_at if version is not None and version >= pin.version else None

    def check(self, namespace: str, now: float) -> None:
        """LostWriteError if the watch on this namespace, or on all (empty), has something to tell, and a write from
        longer ago than ``patience`` is not in it."""
        for key, pin in self._pins.items():
            if now - pin.written_at > self._patience and namespace in ("", key.namespace):
                raise LostWriteError(
                    f"the write of {key} at version {pin.version} was not told in {self._patience:g} s"
                )

    def advance(self, resource_version: str, namespace: str = "") -> None:
        """The watch on one namespace, or on all (empty), has told everything up to this version."""
        version = numeric(resource_version)
        if version is None or not self._pins:
            return
        for key, pin in list(self._pins.items()):
            if pin.version <= version and namespace in ("", key.namespace):
                del self._pins[key]
