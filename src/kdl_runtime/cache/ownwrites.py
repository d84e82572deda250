"""Own writes and what the cache shows of them: which of two states wins.

The response of a write is newer than what the watch has told so far. It goes into the store at once, and until the
watch has caught up it must not be undone by an older event or list. That is decided here, without I/O, on resource
versions, which are compared as numbers (KEP-5504 makes that a guarantee of the API server; a server whose versions are
not numbers loses read-your-writes and nothing else).
"""

from collections import OrderedDict
from dataclasses import dataclass

from kdl_runtime.codec.meta import ObjectMeta
from kdl_runtime.types import ObjectKey

MAX_TOMBSTONES = 4096


def numeric(resource_version: str) -> int | None:
    """The version as a number; None for what cannot be compared."""
    return int(resource_version) if resource_version.isascii() and resource_version.isdigit() else None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An object that was shown and is no more; what is not newer than that must not be shown again.

    ``final``: it was deleted, so no state of this UID comes back. Else it may just have left the selection of a watch,
    which looks like a deletion there, and may come back with a newer version.
    """

    uid: str
    version: int | None
    final: bool = False

    def covers(self, metadata: ObjectMeta) -> bool:
        """Whether this state is from before the end."""
        if self.final and metadata.uid == self.uid:
            return True
        version = numeric(metadata.resource_version)
        return version is not None and self.version is not None and version <= self.version


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


def write_wins(written: ObjectMeta, stored: ObjectMeta | None, tombstone: Tombstone | None) -> bool:
    """Whether the response of an own write is newer than what the watch has told about that object."""
    version = numeric(written.resource_version)
    if version is None:
        return False
    if tombstone is not None and tombstone.covers(written):
        return False
    if stored is None:
        return True
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

    def pin(self, key: ObjectKey, version: int, now: float) -> None:
        self._pins[key] = Pin(version, now)

    def forget(self, key: ObjectKey) -> None:
        self._pins.pop(key, None)

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
        version = numeric(resource_version)
        return now - pin.written_at if pin is not None and version is not None and version >= pin.version else None

    def advance(self, resource_version: str) -> None:
        """The watch has told everything up to this version."""
        version = numeric(resource_version)
        if version is not None and self._pins:
            self._pins = {key: pin for key, pin in self._pins.items() if pin.version > version}
