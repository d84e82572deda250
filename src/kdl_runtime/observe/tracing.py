"""Traces: one span for each reconciliation and one for each request to the API server, if somebody wants them.

The runtime knows a small protocol; ``kdl_runtime.observe.opentelemetry`` speaks it to OpenTelemetry. Requests that a
reconciler makes are children of its span.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """Something that is going on. Ended by its ``with`` block."""

    def set(self, attributes: Attributes) -> None:
        """Add what has turned out meanwhile."""
        ...

    def fail(self, error: BaseException) -> None:
        """It has failed, though nothing is raised out of the block."""
        ...


class Tracer(Protocol):
    """Begins spans. A tracer never raises and never waits.

    What leaves the block of a span as an exception marks it as failed; cancellation does not.
    """

    def reconciliation(self, controller: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A reconciliation by that controller."""
        ...

    def request(self, method: str, path: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A request to the API server, retries included."""
        ...


class NoSpan:
    """A span that nobody records; what is used where there is no tracer."""

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error: BaseException) -> None: ...

    def __enter__(self) -> "NoSpan":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


NO_SPAN = NoSpan()


def path_template(path: str) -> str:
    """A path with its names taken out, of which there are only as many as there are kinds of requests:
    ``/api/v1/namespaces/team-a/pods/x`` is ``/api/v1/namespaces/{namespace}/pods/{name}``.
    """
    head, _, tail = path.strip("/").partition("/")
    parts = tail.split("/") if tail else []
    prefix = {"api": 1, "apis": 2}.get(head)
    if prefix is None or len(parts) <= prefix:
        return path
    group, rest = parts[:prefix], parts[prefix:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = ["namespaces", "{namespace}", *_named(rest[2:])]
    else:
        rest = _named(rest)
    return "/" + "/".join([head, *group, *rest])


def _named(parts: list[str]) -> list[str]:
    """A plural, a name and a subresource."""
    return [parts[0], "{name}", *parts[2:]] if len(parts) > 1 else parts
