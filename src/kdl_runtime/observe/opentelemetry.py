"""Traces to OpenTelemetry. Needs the extra ``otel`` (``pip install 'kdl[otel]'``), and where they go is the business of
whoever sets up the SDK: without one, the API's own default records nothing.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from kdl_runtime.errors import ApiError
from kdl_runtime.observe.tracing import Attributes, Span, path_template

try:
    from opentelemetry import trace
except ImportError as error:
    raise ImportError("traces need OpenTelemetry: pip install 'kdl[otel]'") from error

INSTRUMENTATION = "kdl_runtime"


class OpenTelemetryTracer:
    """Spans by the semantic conventions for HTTP clients (https://opentelemetry.io/docs/specs/semconv/http/).

    ``provider`` is the global one when None is given.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(INSTRUMENTATION, tracer_provider=provider)

    def reconciliation(self, controller: str, attributes: Attributes) -> AbstractContextManager[Span]:
        return self._span(f"reconcile {controller}", trace.SpanKind.INTERNAL, attributes)

    def request(self, method: str, path: str, attributes: Attributes) -> AbstractContextManager[Span]:
        template = path_template(path)
        described = {"http.request.method": method, "url.template": template, "url.path": path, **attributes}
        return self._span(f"{method} {template}", trace.SpanKind.CLIENT, described)

    @contextmanager
    def _span(self, name: str, kind: trace.SpanKind, attributes: Attributes) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as recorded:
            span = _Span(recorded)
            try:
                yield span
            except asyncio.CancelledError:
                span.set({"cancelled": True})
                raise
            except BaseException as error:
                span.fail(error)
                raise


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, error: BaseException) -> None:
        if isinstance(error, ApiError):
            self._span.set_attributes({"error.type": error.reason, "http.response.status_code": error.status_code})
        else:
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.record_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        self._span.set_status(trace.Status(trace.StatusCode.ERROR, str(error)))
