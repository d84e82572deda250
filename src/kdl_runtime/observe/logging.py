"""Logs as structlog events, to standard error, for people (console) or for machines (one JSON object a line).

While a reconciler runs, every event carries ``controller``, ``namespace``, ``name`` and ``reconcileID``, as in
controller-runtime, whoever logs it.
"""

import contextvars
import logging
import sys
import uuid
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

import structlog

from kdl_runtime.types import Request


class Reconciliation(NamedTuple):
    """The reconciliation that the current task works for. ``number`` is random, of 128 bits."""

    controller: str
    request: Request
    number: int

    @property
    def reconcile_id(self) -> str:
        """The number as a UUID."""
        return str(uuid.UUID(int=self.number, version=4))

    @property
    def origin(self) -> tuple[str, Request]:
        """Stays the same over all reconciliations of one key by one controller."""
        return self.controller, self.request


_current: contextvars.ContextVar[Reconciliation | None] = contextvars.ContextVar("reconciliation", default=None)


def current_reconciliation() -> Reconciliation | None:
    """None outside of a reconciler. Tasks that a reconciler starts inherit it."""
    return _current.get()


@contextmanager
def reconciliation(value: Reconciliation) -> Iterator[None]:
    """Work inside this block is work for that reconciliation."""
    token = _current.set(value)
    try:
        yield
    finally:
        _current.reset(token)


def add_reconciliation(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: says for which object the event was logged. What the caller bound explicitly stays."""
    if (value := _current.get()) is not None:
        event.setdefault("controller", value.controller)
        event.setdefault("namespace", value.request.namespace)
        event.setdefault("name", value.request.name)
        event.setdefault("reconcileID", value.reconcile_id)
    return event


def configure(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for the process; only an entry point calls this. What libraries log through ``logging`` joins in.

    ``level`` is a name that ``logging`` knows, in any case; ValueError for another.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r} is unknown: use debug, info, warning or error")
    target = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_reconciliation,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        # Without the values of local variables, which structlog would show: they may be secrets.
        else [structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
