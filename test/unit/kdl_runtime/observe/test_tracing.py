"""Spans of reconciliations and requests, as OpenTelemetry's own SDK records them."""

import random
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from kdl_local.apiserver.server import ApiServer
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import LoopClock
from kdl_runtime.controller.controller import Controller
from kdl_runtime.errors import NotFound
from kdl_runtime.manager.manager import Manager, ManagerOptions
from kdl_runtime.observe.opentelemetry import OpenTelemetryTracer
from kdl_runtime.observe.tracing import path_template
from kdl_runtime.resources.registry import CONFIGMAPS, SECRETS
from kdl_runtime.types import Request, Result
from kdl_testing.direct import DirectTransport
from kdl_testing.virtual_time import run


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/v1/pods", "/api/v1/pods"),
        ("/api/v1/nodes/n1", "/api/v1/nodes/{name}"),
        ("/api/v1/namespaces", "/api/v1/namespaces"),
        ("/api/v1/namespaces/team-a", "/api/v1/namespaces/{name}"),
        ("/api/v1/namespaces/team-a/pods", "/api/v1/namespaces/{namespace}/pods"),
        ("/api/v1/namespaces/team-a/pods/x", "/api/v1/namespaces/{namespace}/pods/{name}"),
        ("/api/v1/namespaces/team-a/pods/x/log", "/api/v1/namespaces/{namespace}/pods/{name}/log"),
        ("/apis/apps/v1/namespaces/a/deployments/b", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
        ("/apis/example.com/v1/things/b/status", "/apis/example.com/v1/things/{name}/status"),
        ("/apis/apps/v1", "/apis/apps/v1"),
        ("/version", "/version"),
        ("/", "/"),
    ],
)
def test_a_path_loses_its_names(path: str, template: str) -> None:
    assert path_template(path) == template


def recorded(work: type[Exception] | None) -> list[ReadableSpan]:
    """The spans of one reconciliation that reads a secret which is not there, and then raises ``work`` or succeeds."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    async def main() -> None:
        clock = LoopClock(datetime(2026, 1, 31, tzinfo=UTC))
        server = ApiServer(clock, random.Random(1))
        options = ManagerOptions("0", "0", tracer=OpenTelemetryTracer(provider))
        manager = Manager(Client(DirectTransport(server), clock), options, clock, random.Random(1))

        async def reconcile(request: Request) -> Result | None:
            try:
                await manager.client.get(SECRETS, request)
            except NotFound:
                if work is not None:
                    raise work("why") from None
            return Result(requeue_after=60)

        manager.add(Controller("secrets", reconcile).for_(manager.cache.declare(WatchSpec(CONFIGMAPS))))
        await Client(DirectTransport(server), clock).create(
            CONFIGMAPS, {"metadata": {"namespace": "default", "name": "a"}}
        )

        async def stop() -> None:
            await clock.sleep(0.003)
            manager.stop()

        manager.add(stop)
        await manager.start()

    run(main())
    return list(exporter.get_finished_spans())


def test_a_reconciliation_is_a_span_and_its_requests_are_its_children() -> None:
    spans = {span.name: span for span in recorded(None)}
    work = spans["reconcile secrets"]
    request = spans["GET /api/v1/namespaces/{namespace}/secrets/{name}"]
    assert work.kind is SpanKind.INTERNAL
    assert dict(work.attributes or {}) | {"kdl_runtime.reconcile_id": "", "kdl_runtime.queue.seconds": 0.0} == {
        "kdl_runtime.controller": "secrets",
        "k8s.namespace.name": "default",
        "kdl_runtime.object.name": "a",
        "kdl_runtime.reconcile_id": "",
        "kdl_runtime.queue.priority": -100,
        "kdl_runtime.queue.seconds": 0.0,
        "kdl_runtime.result": "requeue_after",
    }
    assert work.status.is_ok
    assert request.kind is SpanKind.CLIENT
    assert request.context is not None
    assert work.context is not None
    assert request.parent is not None
    assert request.parent.span_id == work.context.span_id
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/api/v1/namespaces/{namespace}/secrets/{name}",
        "url.path": "/api/v1/namespaces/default/secrets/a",
        "server.address": "",
        "error.type": "NotFound",
        "http.response.status_code": 404,
    }
    assert not request.status.is_ok


def test_a_failed_reconciliation_says_why() -> None:
    work = next(span for span in recorded(LookupError) if span.name == "reconcile secrets")
    assert not work.status.is_ok
    assert work.status.description == "why"
    assert (work.attributes or {})["error.type"] == "LookupError"
    assert (work.attributes or {})["kdl_runtime.result"] == "error"
    assert [event.name for event in work.events] == ["exception"]


def test_requests_of_no_reconciler_have_no_parent() -> None:
    lists = [span for span in recorded(None) if span.name.startswith("GET /api/v1/configmaps")]
    assert all(span.parent is None for span in lists)


def test_who_wants_no_traces_does_not_load_opentelemetry() -> None:
    code = "import sys, kdl_runtime.manager.manager; print(sorted(m for m in sys.modules if 'opentelemetry' in m))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_without_the_extra_the_error_names_it() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import kdl_runtime.observe.opentelemetry"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: traces need OpenTelemetry: pip install 'kdl[otel]'" in answer.stderr
