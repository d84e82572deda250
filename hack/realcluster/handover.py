"""What ``up`` and the processes that it starts tell each other until the cluster is ready.

``up`` hears lines of JSON through a pipe that ends with the start. It holds another pipe, through which it says DONE in
the end; if that one ends before, ``up`` was killed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

STEP, READY, ERROR = "step", "ready", "error"

DONE = b"done"

MACHINE_NETWORK = "KDL_MACHINE_NETWORK"
"""The environment variable with the descriptor of the machine's network namespace."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``kind`` is STEP, READY or ERROR, and ``text`` what happened."""

    kind: str
    text: str = ""


class Reporter:
    """Nobody may listen any more."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe = pipe
        self._broken = False

    def tell(self, progress: Progress) -> None:
        if self._broken:
            return
        try:
            self._pipe.write(json.dumps([progress.kind, progress.text]) + "\n")
            self._pipe.flush()
        except OSError:
            self._broken = True

    def step(self, text: str) -> None:
        self.tell(Progress(STEP, text))


def heard(pipe: IO[str]) -> Iterator[Progress]:
    """Until the other side closes the pipe. What is no progress is left out."""
    for line in pipe:
        try:
            value: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, list) and len(value) == 2:
            yield Progress(str(value[0]), str(value[1]))
