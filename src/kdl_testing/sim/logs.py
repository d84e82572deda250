"""What the code under simulation logs, for whoever plays the simulation."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

_HEARD = frozenset({"warning", "warn", "error", "critical", "exception", "fatal"})


@contextmanager
def captured_logs(sink: Callable[[str, MutableMapping[str, Any]], None]) -> Iterator[None]:
    """Warnings and errors of structlog go to ``sink``, with the name of the level, and nothing goes anywhere else."""

    def process(_: object, method: str, event: MutableMapping[str, Any]) -> Any:
        if method in _HEARD:
            sink("error" if method == "exception" else method, event)
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    kept = list(processors)
    processors[:] = [process]
    try:
        yield
    finally:
        processors[:] = kept
