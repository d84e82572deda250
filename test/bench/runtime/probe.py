"""The reconciler of the benchmark. It does nothing but note that it was called, and with which state."""

import threading
import time
from array import array
from typing import NamedTuple


class Reading(NamedTuple):
    """What every contender reads of a pod before it calls the probe; labels and restarts stand for what a reconciler
    looks at."""

    namespace: str
    name: str
    uid: str
    job: str
    owner: str
    node: str
    phase: str
    ready: bool
    restarts: int
    sequence: str
    sent: str


class Probe:
    """Counts the states that have reached the reconciler.

    ``listed`` is set when it has seen every pod, ``finished`` when it has seen the last state of every pod that the
    events change. Memory is set aside at once, so that it belongs to no measurement.
    """

    def __init__(self, pods: int, events: int) -> None:
        self.calls = 0
        """Including those of the first list."""
        self.states = 0
        """Different events whose state was seen; fewer than the events if some were merged."""
        self.first_call_ns = 0
        self.listed_ns = 0
        self.latencies_ns = array("q")
        self.listed = threading.Event()
        self.finished = threading.Event()
        self._pods_left = pods
        self._known = bytearray(pods)
        self._seen = bytearray(events + 1)
        self._last_round = events - min(pods, events)
        self._events_left = min(pods, events)

    def reconcile(self, reading: Reading) -> None:
        self.calls += 1
        sequence = int(reading.sequence)
        if not sequence:
            self._first_state(reading)
        elif not self._seen[sequence]:
            self._seen[sequence] = 1
            self.states += 1
            if sent := int(reading.sent):
                self.latencies_ns.append(time.monotonic_ns() - sent)
            if sequence > self._last_round:
                self._events_left -= 1
                if not self._events_left:
                    self.finished.set()

    def _first_state(self, reading: Reading) -> None:
        number = int(reading.uid[24:], 16)
        if not self._known[number]:
            self._known[number] = 1
            if not self.first_call_ns:
                self.first_call_ns = time.monotonic_ns()
            self._pods_left -= 1
            if not self._pods_left:
                self.listed_ns = time.monotonic_ns()
                self.listed.set()
