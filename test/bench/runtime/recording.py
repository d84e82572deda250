"""What every contender is shown: a list of pods, and events that change one pod after the other."""

import json
from array import array
from collections.abc import Iterator

from bench.runtime.pods import PodTemplate

FIRST_VERSION = 10**9
"""resourceVersion of the list; event number n has the version FIRST_VERSION + n."""


class Recording:
    """Pods and their events, the same bytes for everybody who reads them.

    Event n (from 1) changes pod (n - 1) modulo the number of pods, so that the events of one pod are as far apart as
    can be, and who merges the events of a pod has nothing to merge unless it is that far behind.
    """

    def __init__(self, pods: int) -> None:
        self._templates = [PodTemplate(number) for number in range(pods)]
        self._sent = array("q")

    @property
    def released(self) -> int:
        """Events that have happened."""
        return len(self._sent)

    def release(self, count: int, sent: int = 0) -> None:
        """Let ``count`` more events happen. ``sent`` is the monotonic time in nanoseconds that they carry."""
        self._sent.extend([sent] * count)

    def reset(self) -> None:
        """Nothing has happened yet."""
        self._sent = array("q")

    def version(self) -> int:
        return FIRST_VERSION + self.released

    def events(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """The lines of at most ``limit`` events after event number ``after``, and the number of the last one."""
        last = min(self.released, after + limit)
        return [self._event(number) for number in range(after + 1, last + 1)], last

    def states(self) -> Iterator[bytes]:
        """Every pod as it is now."""
        pods, released = len(self._templates), self.released
        for number, template in enumerate(self._templates):
            event = max(released - (released - 1 - number) % pods, 0)
            yield template.render(FIRST_VERSION + event, event, self._sent[event - 1] if event else 0)

    def bookmark(self) -> bytes:
        """The line that ends a streamed list (KEP-3157)."""
        metadata = {"resourceVersion": str(self.version()), "annotations": {"k8s.io/initial-events-end": "true"}}
        return json.dumps(
            {"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": metadata}}
        ).encode()

    def _event(self, number: int) -> bytes:
        template = self._templates[(number - 1) % len(self._templates)]
        return event_line("MODIFIED", template.render(FIRST_VERSION + number, number, self._sent[number - 1]))


def event_line(type_: str, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), obj)
